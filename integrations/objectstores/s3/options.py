"""What a target of scheme s3 can be told in the configuration."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from bot.errors import ConfigError
from bot.model import LockMode, ObjectLock
from integrations.objectstores.body import Pace, at_once

LOCKS = tuple(mode.value for mode in LockMode)
ENCRYPTIONS = ("AES256", "aws:kms")
# What lies there is not read at once (GLACIER_IR is): no manifest, no restore, and nothing to copy from.
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
COLDS = ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR")  # these are, for a price
COLD, ARCHIVE = "GLACIER_IR", "GLACIER"  # where the target does not say it
_TAG_NAME = re.compile(r"(?!aws:)[\w +\-=.:/@]{1,128}")
_TAG_VALUE = re.compile(r"[\w +\-=.:/@]{0,256}")
_KINDS: Mapping[str, tuple[type, str]] = {
    "path_style": (bool, "true or false"),
    "sse_bucket_key": (bool, "true or false"),
    "lock_for": (timedelta, 'a duration, like lock_for = "30d"'),
    "pace": (object, "a function"),
    "tags": (Mapping, 'names and values, like tags = {department = "IT"}'),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """Settings beside the url; empty means: as boto3 has it by itself (its own chain for keys and region)."""

    endpoint: str = ""  # "https://s3.example.com"; empty: AWS
    region: str = ""
    path_style: bool | None = None  # None: with an endpoint yes, at AWS no
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    profile: str = ""  # of the AWS configuration: keys, SSO, a role
    assume_role: str = ""  # its ARN
    external_id: str = ""  # that the role asks for
    ca: str = ""  # file with the certificates to trust
    proxy: str = ""  # "http://proxy.example.com:3128"; empty: as the environment says
    storage_class: str = ""
    cold_class: str = ""  # of old recovery points
    archive_class: str = ""
    sse: str = ""
    sse_kms_key: str = ""
    sse_bucket_key: bool = True  # with aws:kms: one KMS call for many objects
    lock: str = ""
    lock_for: timedelta = timedelta()  # from when an object, or its upload, is begun
    tags: Mapping[str, str] = field(default_factory=dict)
    pace: Pace = field(default=at_once, repr=False)  # of what is sent

    @property
    def made_with(self) -> dict[str, Any]:
        """How each object is to be made, as the API has it."""
        made_with: dict[str, Any] = {
            "StorageClass": self.storage_class,
            "ServerSideEncryption": self.sse,
            "SSEKMSKeyId": self.sse_kms_key,
            "BucketKeyEnabled": self.sse == "aws:kms" and self.sse_bucket_key,
            "Tagging": urlencode(self.tags, quote_via=quote),
        }
        return {name: value for name, value in made_with.items() if value}

    def locked(self, lock: ObjectLock) -> "S3Options":
        """The same, where objects are also locked so."""
        own = ObjectLock(lasts=self.lock_for, mode=LockMode(self.lock)) if self.lock else None
        both = lock.joined(own)
        return replace(self, lock=both.mode.value, lock_for=both.lasts)

    @property
    def uses_paths(self) -> bool:
        """Whether the bucket stands in the path of the URL, not in the host name."""
        return bool(self.endpoint) if self.path_style is None else self.path_style


def read_options(name: str, values: Mapping[str, object]) -> S3Options:
    """Check and type a target's settings. ConfigError lists all mistakes."""
    given = {key: value for key, value in values.items() if value is not None}
    problems = [f"targets.{name}{said}" for said in _untyped(given)]
    if not problems:
        options = S3Options(**given)  # type: ignore[arg-type] # as just found
        problems = [f"targets.{name}{said}" for look in _LOOKS for said in look(options)]
    if problems:
        raise ConfigError(problems)
    return options


def _untyped(given: Mapping[str, object]) -> Iterator[str]:
    known = {each.name for each in fields(S3Options)}
    for key, value in given.items():
        kind, said = _KINDS.get(key, (str, "a text"))
        if key not in known:
            yield f".{key} is not a setting of an s3 target."
        elif not isinstance(value, kind):
            yield f".{key} must be {said}."


def _keys(options: S3Options) -> Iterator[str]:
    if bool(options.access_key) != bool(options.secret_key):
        yield ": access_key and secret_key belong together; give both, or none of them."
    if options.profile and options.access_key:
        yield ": give either profile or access_key and secret_key: both say whose keys are used."
    if options.external_id and not options.assume_role:
        yield ".external_id belongs to a role: set assume_role to its ARN."
    if options.assume_role and not options.assume_role.startswith("arn:"):
        yield '.assume_role must be an ARN, like "arn:aws:iam::123456789012:role/cloudy".'


def _ways(options: S3Options) -> Iterator[str]:
    if "@" in urlsplit(options.endpoint).netloc:
        yield ".endpoint must not hold a login; use access_key and secret_key."
    if options.ca and not Path(options.ca).is_file():
        yield f".ca: there is no file {options.ca}."
    if options.proxy:
        pieces = urlsplit(options.proxy)
        if "@" in pieces.netloc:
            yield ".proxy must not hold a login; set HTTPS_PROXY in the environment instead, which may."
        elif pieces.scheme not in ("http", "https") or not pieces.netloc:
            yield '.proxy must be an address, like "http://proxy.example.com:3128".'


def _storing(options: S3Options) -> Iterator[str]:
    if options.storage_class in ARCHIVES:
        yield (
            f".storage_class: what is {options.storage_class} cannot be read at once, so nothing could be restored "
            "or copied from it. Take GLACIER_IR, and let archive_after of an SLA move old recovery points there."
        )
    for setting, chosen, known in (
        ("cold_class", options.cold_class, COLDS),
        ("archive_class", options.archive_class, ARCHIVES),
    ):
        if chosen and chosen not in known:
            yield f".{setting} is {chosen!r}; there are: {', '.join(known)}."
    if options.sse and options.sse not in ENCRYPTIONS:
        yield f".sse is {options.sse!r}; there are: {', '.join(ENCRYPTIONS)}."
    if options.sse_kms_key and options.sse != "aws:kms":
        yield '.sse_kms_key belongs to sse = "aws:kms".'


def _locking(options: S3Options) -> Iterator[str]:
    if options.lock and options.lock not in LOCKS:
        yield f".lock is {options.lock!r}; there are: {', '.join(LOCKS)}."
    if bool(options.lock) != bool(options.lock_for):
        yield ': lock and lock_for belong together, like lock = "GOVERNANCE" and lock_for = "30d"; give both, or none.'


def _tagging(options: S3Options) -> Iterator[str]:
    """Source: Amazon S3 User Guide, "Categorizing your storage using tags"."""
    if len(options.tags) > 10:
        yield f".tags: S3 takes 10 of an object, and these are {len(options.tags)}."
    for key, value in options.tags.items():
        if not isinstance(value, str) or not _TAG_NAME.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            yield (
                f".tags.{key}: letters, digits, spaces and + - = . _ : / @ may stand there, up to 128 in a name, "
                "which must not begin with aws:, and up to 256 in a value."
            )


_LOOKS: tuple[Callable[[S3Options], Iterator[str]], ...] = (_keys, _ways, _storing, _locking, _tagging)


def read_url(name: str, url: str) -> tuple[str, str]:
    """Split "s3://bucket/prefix" into bucket and prefix. ConfigError: anything else."""
    pieces = urlsplit(url)
    if pieces.scheme != "s3" or not pieces.netloc or "@" in pieces.netloc or pieces.query or pieces.fragment:
        raise ConfigError([f"targets.{name}.url must look like s3://bucket/prefix."])
    return pieces.netloc, pieces.path.strip("/")
