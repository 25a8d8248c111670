"""What the configuration says of the way to a host, checked before anything is asked of the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from bot.errors import ConfigError

# With these the library encrypts messages itself, so that they may go over plain HTTP.
_SEALING = ("negotiate", "ntlm", "kerberos", "credssp")
AUTHS = (*_SEALING, "certificate", "basic")
_PORTS = {"https": 5986, "http": 5985}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a host is reached."""

    server: str
    port: int
    path: str
    is_tls: bool
    auth: str
    user: str
    password: str = field(repr=False)
    ca: Path | None
    certificate: tuple[str, str] | None  # PEM files of certificate and key
    timeout_s: float

    def options(self) -> dict[str, Any]:
        """As the library's client takes them. Neither the environment's proxies nor its authorities count."""
        made: dict[str, Any] = {
            "server": self.server, "port": self.port, "path": self.path, "ssl": self.is_tls, "auth": self.auth,
            "username": self.user or None, "password": self.password or None, "no_proxy": True,
            "cert_validation": str(self.ca) if self.ca else DEFAULT_CA_BUNDLE_PATH, "encryption": "auto",
        }  # fmt: skip
        if self.certificate:
            made["certificate_pem"], made["certificate_key_pem"] = self.certificate
        return made


def way(name: str, url: str, settings: Mapping[str, object]) -> Way:
    """ConfigError: it cannot be so."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ConfigError([f"hypervisors.{name}.url is no address"]) from None
    if "@" in parts.netloc:
        raise ConfigError([f"hypervisors.{name}.url holds a user or password; give them by their own settings"])
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError([f"hypervisors.{name}.url: kind hyperv takes https://host:5986/wsman"])
    text = {key: str(settings.get(key) or "") for key in ("user", "password", "ca", "certificate", "certificate_key")}
    auth = str(settings.get("auth") or "negotiate")
    made = Way(
        server=parts.hostname,
        port=port,
        path=parts.path.strip("/") or "wsman",
        is_tls=parts.scheme == "https",
        auth=auth,
        user=text["user"],
        password=text["password"],
        ca=Path(text["ca"]) if text["ca"] else None,
        certificate=(text["certificate"], text["certificate_key"]) if text["certificate"] else None,
        timeout_s=float(str(settings.get("timeout_s", 30.0))),
    )
    if problem := _problem(made, text["certificate_key"]):
        raise ConfigError([f"hypervisors.{name}: {problem}"])
    return made


def _problem(made: Way, key: str) -> str:
    if made.auth not in AUTHS:
        return f"auth is {made.auth!r}; there are: {', '.join(AUTHS)}"
    if not made.is_tls and made.auth not in _SEALING:
        return f"with auth = {made.auth!r} nothing would be encrypted over http; use https"
    if made.auth == "certificate":
        return "" if made.certificate and key else "auth = 'certificate' needs `certificate` and `certificate_key`"
    if made.auth == "kerberos":  # without a password by the tickets that are there
        return "" if made.user or not made.password else "a password needs its `user`"
    return "" if made.user and made.password else f"auth = {made.auth!r} needs `user` and `password`"
