"""Nouns of what ends by itself: certificates and credentials."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """One certificate or credential."""

    name: str  # where it stands: "targets.s3.ca", "vmstores.vmstore.url"
    what: str  # for people: "the certificate of vmstore.example.com:443"
    ends: datetime | None = None  # None: it could not be looked at
    why: str = ""  # it could not
