"""What libvirt's errors mean for the one who must act. Codes: https://libvirt.org/html/libvirt-virterror.html."""

import errno

import libvirt

from bot.errors import DeniedError, MissingError, PermanentError, RemoteError, TransientError

_LOGIN = {
    libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE,
    libvirt.VIR_ERR_ACCESS_DENIED, libvirt.VIR_ERR_OPERATION_DENIED,
}  # fmt: skip
_PASSING = {
    libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_OPERATION_TIMEOUT,
    libvirt.VIR_ERR_RESOURCE_BUSY, libvirt.VIR_ERR_GNUTLS_ERROR, libvirt.VIR_ERR_NO_MEMORY,
}  # fmt: skip
_LINE = {libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE}  # domains: what happens on the way
_NAMES = {
    value: name.removeprefix("VIR_ERR_")
    for name, value in vars(libvirt).items()
    if name.startswith("VIR_ERR_") and isinstance(value, int)
}
SQUASH = (
    " On NFS the host's root must not be squashed, or the files must be readable by everyone and QEMU's user be their"
    " owner."
)


def code_of(error: libvirt.libvirtError) -> str:
    """libvirt's own name for it."""
    return str(_NAMES.get(error.get_error_code(), error.get_error_code()))


def in_words(error: libvirt.libvirtError, system: str, operation: str) -> RemoteError:
    """Our error for one of libvirt's, with its own words."""
    kind, more = _diagnosis(error)
    said = (error.get_error_message() or str(error)).strip().rstrip(".")
    return kind(f"{system}, {operation}: {said}.{more}", system=system, operation=operation, code=code_of(error))


def _diagnosis(error: libvirt.libvirtError) -> tuple[type[RemoteError], str]:
    code, said = error.get_error_code(), error.get_error_message() or ""
    if code in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_STORAGE_VOL):
        return MissingError, ""
    if code in _LOGIN or "certificate" in said.lower():
        return DeniedError, " Look at the login, its rights on the host and the certificates."
    if error.get_error_domain() in _LINE or code in _PASSING or "keepalive" in said:
        return TransientError, " Does libvirt run there, and is it reached?"
    if _is_denied(error):
        return DeniedError, SQUASH
    if "KVM" in said and code != libvirt.VIR_ERR_XML_ERROR:
        return PermanentError, ' A host without KVM needs `domain_type = "qemu"`.'
    return PermanentError, ""


def _is_denied(error: libvirt.libvirtError) -> bool:
    is_of_system = error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR
    number = error.get_int1() if is_of_system else 0
    return number in (errno.EACCES, errno.EPERM) or "Permission denied" in (error.get_error_message() or "")
