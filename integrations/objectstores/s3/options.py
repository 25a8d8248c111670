"""What a target of scheme s3 can be told in the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from bot.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """Settings beside the url; empty means: as boto3 has it by itself (its own chain for keys and region)."""

    endpoint: str = ""  # "https://s3.example.com"; empty: AWS
    region: str = ""
    path_style: bool | None = None  # None: with an endpoint yes, at AWS no
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    ca: str = ""  # file with the certificates to trust
    storage_class: str = ""
    sse: str = ""  # "AES256" | "aws:kms"
    sse_kms_key: str = ""

    @property
    def uses_paths(self) -> bool:
        """Whether the bucket stands in the path of the URL, not in the host name."""
        return bool(self.endpoint) if self.path_style is None else self.path_style


def read_options(name: str, values: Mapping[str, object]) -> S3Options:
    """Check and type a target's settings. ConfigError lists all mistakes."""
    known = {each.name for each in fields(S3Options)}
    problems = [f"targets.{name}.{key} is not a setting of an s3 target." for key in values if key not in known]
    for key, value in values.items():
        wanted = bool if key == "path_style" else str
        if key in known and value is not None and not isinstance(value, wanted):
            problems.append(f"targets.{name}.{key} must be a {'true or false' if wanted is bool else 'text'}.")
    if bool(values.get("access_key")) != bool(values.get("secret_key")):
        problems.append(f"targets.{name}: access_key and secret_key belong together; give both, or none of them.")
    if "@" in urlsplit(str(values.get("endpoint") or "")).netloc:
        problems.append(f"targets.{name}.endpoint must not hold a login; use access_key and secret_key.")
    if values.get("ca") and not Path(str(values["ca"])).is_file():
        problems.append(f"targets.{name}.ca: there is no file {values['ca']}.")
    if problems:
        raise ConfigError(problems)
    return S3Options(**{key: value for key, value in values.items() if value is not None})  # type: ignore[arg-type]


def read_url(name: str, url: str) -> tuple[str, str]:
    """Split "s3://bucket/prefix" into bucket and prefix. ConfigError: anything else."""
    pieces = urlsplit(url)
    if pieces.scheme != "s3" or not pieces.netloc or "@" in pieces.netloc or pieces.query or pieces.fragment:
        raise ConfigError([f"targets.{name}.url must look like s3://bucket/prefix."])
    return pieces.netloc, pieces.path.strip("/")
