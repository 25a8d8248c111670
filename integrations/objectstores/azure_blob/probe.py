"""Finds out what an Azure store really does, with a few small objects that are always removed again.

Asking is the only way: emulators take checksums and conditions and look at them never, and a network rule may keep
the service from its own objects.
"""

import secrets
from contextlib import suppress
from datetime import UTC, datetime

from bot.errors import ChangedError, DeniedError, IntegrityError, MissingError, PermanentError
from bot.model import Capabilities, CopySource
from integrations.objectstores.azure_blob.blocks import Block, new_token
from integrations.objectstores.azure_blob.wire import HELPERS, Container, Rules

# The published check value of CRC-64/NVME, so that nothing needs to be computed here.
_BODY = b"123456789"
_CRC = 0xAE8B14860A799888
_ROOT = f"{HELPERS}probe-"


def probe(container: Container) -> Capabilities:
    """Try right and wrong checksums and conditions. Errors that are not an answer to that are raised.

    What a probe that was killed left behind is removed first. TransientError: another process did so with this one.
    In a container that locks all that is written nothing is written: it is Azure's own, which keeps its word.
    """
    if _is_hierarchical(container):
        raise _unfit(container, "the storage account has a hierarchical namespace. Use one without.")
    rules = known_rules(container)
    check_lockable(container, rules)
    if rules is not None and (rules.has_policy or rules.is_held):
        return _capabilities(checks_crc=True, conditional=True, copies=True, locks_all=True)
    _remove_all(container, _ROOT)
    try:
        return _probe(container, f"{_ROOT}{secrets.token_hex(8)}")
    except MissingError as error:
        if error.code == "ContainerNotFound":
            raise
        asked = container.asked("probe", _ROOT)
        raise asked.passing(f"Another Cloudy probes {container.url} at the same time: {error.message}") from error


def check_lockable(container: Container, rules: Rules | None) -> None:
    """PermanentError: what is written is to be locked, and the container says that it can lock nothing."""
    options = container.options
    if rules is not None and not rules.locks_versions and (options.lock_for or options.legal_hold):
        raise _unfit(
            container,
            "lock and legal_hold want a container with version-level immutability support, which this one"
            " does not have. Enable it, or take these settings away.",
        )


def known_rules(container: Container) -> Rules | None:
    """What the container says of locks; None: this identity may not ask."""
    try:
        return container.rules()
    except DeniedError:
        return None


def _probe(container: Container, root: str) -> Capabilities:
    whole, parts = f"{root}/whole", f"{root}/parts"
    block = Block(1, new_token(datetime.now(UTC), secrets.token_bytes(4)), _CRC)
    try:
        etag = container.put(whole, _BODY, crc64=_CRC, metadata={})  # container, keys and rights are fine
        container.stage(parts, block, _BODY)
        source = CopySource(key=whole, offset=0, length=len(_BODY), etag=etag)
        return _capabilities(
            checks_crc=_checks_crc(container, whole, parts, block),
            conditional=_refuses_taken_key(container, whole, block),
            copies=_copies(container, parts, block, source),
        )
    finally:
        _remove_all(container, root)


def _checks_crc(container: Container, whole: str, parts: str, block: Block) -> bool:
    wrong = Block(2, block.token, _CRC ^ 1)
    try:
        container.put(whole + "-wrong", _BODY, crc64=wrong.crc64, metadata={})
    except IntegrityError:
        try:
            container.stage(parts, wrong, _BODY)
        except IntegrityError:
            return container.head(whole).crc64 == _CRC
        return False
    return False


def _refuses_taken_key(container: Container, whole: str, block: Block) -> bool:
    container.stage(whole, block, _BODY)
    try:
        container.commit(whole, [block], crc64=_CRC, metadata={}, only_new=True)
    except PermanentError as error:
        return error.code == "BlobAlreadyExists"
    return False


def _copies(container: Container, parts: str, block: Block, source: CopySource) -> bool:
    """Whether it copies ranges, only the right bytes, and only from the right object."""
    try:
        container.stage_from(parts, Block(3, block.token, _CRC), source)
    except PermanentError:  # does not know the request, or may not read its own objects
        return False
    return _refuses(container, parts, Block(4, block.token, _CRC ^ 1), source, IntegrityError) and _refuses(
        container, parts, Block(5, block.token, _CRC), _other(source), ChangedError
    )


def _refuses(container: Container, parts: str, block: Block, source: CopySource, wanted: type[IntegrityError]) -> bool:
    try:
        container.stage_from(parts, block, source)
    except IntegrityError as error:
        return type(error) is wanted
    return False


def _other(source: CopySource) -> CopySource:
    return CopySource(key=source.key, offset=source.offset, length=source.length, etag="0x8D0000000000000")


def _capabilities(*, checks_crc: bool, conditional: bool, copies: bool, locks_all: bool = False) -> Capabilities:
    return Capabilities(
        checks_crc=checks_crc,
        conditional_complete=conditional,
        copies_parts=copies,
        copy_tells_crc=copies,
        copy_checks_etag=copies,
        crc_by_part=checks_crc,
        locks_all=locks_all,
    )


def _is_hierarchical(container: Container) -> bool:
    try:
        return container.is_hierarchical()
    except PermanentError:  # this identity may not ask
        return False


def _remove_all(container: Container, prefix: str) -> None:
    """Remove blobs for good, and blocks that wait to be one. Who may not remove versions leaves them to the account."""
    for info in list(container.list(prefix)):
        with suppress(MissingError):
            container.delete(info.key)
    for key in container.candidates(prefix):
        with suppress(MissingError):
            container.discard(key)
    for version in list(container.versions(prefix)):
        with suppress(MissingError, DeniedError):
            container.delete(version.key, version.version_id)


def _unfit(container: Container, why: str) -> PermanentError:
    failed = container.asked("probe", "").failed(why)
    return PermanentError(failed.message, system=failed.system, operation=failed.operation)
