"""The client of boto3 behind a bucket: whose keys it has, which way it goes, and what it must not do by itself."""

from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    DeferredRefreshableCredentials,
)
from botocore.handlers import add_expect_header

from integrations.objectstores.s3.options import S3Options

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONNECT_S = 5
_CONNECTIONS = 64
_REGION = "us-east-1"  # where somebody must name one and it does not matter
_ONCE: Any = {"total_max_attempts": 1, "mode": "standard"}
_SESSION = "cloudy"  # how the sessions of an assumed role are called in the cloud's own logs


def open_session(options: S3Options) -> boto3.session.Session:
    """Open a session: keys of the target, else boto3's own chain (environment, profile, SSO, web identity, instance).

    With a role to assume, those keys are only used to get the role's, again whenever they are about to end.
    Raises botocore's own errors; nothing is asked of the network.
    """
    core = botocore.session.Session(profile=options.profile or None)
    if options.assume_role:
        roles: Any = core.get_component("credential_provider")
        source = boto3.session.Session(profile_name=options.profile or None, **_keys(options))
        roles.insert_before(roles.providers[0].METHOD, _Role(source, options))
        return boto3.session.Session(botocore_session=core)
    return boto3.session.Session(botocore_session=core, **_keys(options))


def open_client(session: boto3.session.Session, options: S3Options, *, read_s: int) -> "S3Client":
    """Open a client that tries nothing twice, adds no checksum of its own and follows no redirect."""
    client = session.client(
        "s3",
        endpoint_url=options.endpoint or None,
        region_name=options.region or (_REGION if options.endpoint else None),
        verify=options.ca or None,
        config=Config(
            s3={"addressing_style": "path" if options.uses_paths else "virtual", "payload_signing_enabled": False},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries=_ONCE,
            max_pool_connections=_CONNECTIONS,
            connect_timeout=CONNECT_S,
            read_timeout=read_s,
            proxies=_proxies(options),
        ),
    )
    client.meta.events.unregister("before-call.s3", add_expect_header)  # would cost a round trip for every part
    client.meta.events.register("before-call.s3", _stay)
    return client


class _Role(CredentialProvider):
    """Keys of a role, got with those of another session when they are first needed."""

    METHOD = "cloudy-assume-role"
    CANONICAL_NAME = None

    def __init__(self, source: boto3.session.Session, options: S3Options) -> None:
        super().__init__()
        self._source = source
        self._options = options

    def load(self) -> Any:
        """Give keys that renew themselves; None where there are none to begin with."""
        keys = self._source.get_credentials()
        if keys is None:
            return None
        told = {"RoleSessionName": _SESSION}
        if self._options.external_id:
            told["ExternalId"] = self._options.external_id
        fetcher = AssumeRoleCredentialFetcher(self._client, keys, self._options.assume_role, extra_args=told)
        return DeferredRefreshableCredentials(method=self.METHOD, refresh_using=fetcher.fetch_credentials)

    def _client(self, service: Any, **keys: Any) -> Any:
        source: Any = self._source
        return source.client(
            service,
            region_name=self._options.region or source.region_name or _REGION,
            verify=self._options.ca or None,
            config=Config(proxies=_proxies(self._options), retries=_ONCE, connect_timeout=CONNECT_S),
            **keys,
        )


def _keys(options: S3Options) -> dict[str, Any]:
    if not options.access_key:
        return {}
    keys = {"aws_access_key_id": options.access_key, "aws_secret_access_key": options.secret_key}
    return keys | ({"aws_session_token": options.session_token} if options.session_token else {})


def _proxies(options: S3Options) -> dict[str, str] | None:
    """None: those of the environment."""
    return {"http": options.proxy, "https": options.proxy} if options.proxy else None


def _stay(params: dict[str, Any], **_told: Any) -> None:
    """Follow no redirect to another region: that is a mistake in the configuration, and botocore may go in circles."""
    params["context"].setdefault("s3_redirect", {})["redirected"] = True
