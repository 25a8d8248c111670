"""Which addresses libvirt is to dial. Pure.

How they are made: https://libvirt.org/uri.html. An address may hold what nobody is to read, so no error repeats one.
"""

import re
from urllib.parse import SplitResult, unquote, urlsplit

from bot.errors import ConfigError

_SSH = ("ssh", "libssh", "libssh2")
_WAYS = ("", "unix", "tls", *_SSH)
_RIGHT = "qemu:///system on the same machine, qemu+tls://HOST/system or qemu+ssh://HOST/system (with `user`)"


def dialled_url(name: str, url: str, user: str, ca: str) -> str:
    """What libvirt is to dial. ConfigError: not QEMU's driver, a password in it, or a way that others can read.

    ca: a folder with cacert.pem, and clientcert.pem and clientkey.pem where the host asks for them (`pkipath`). By SSH
    the user belongs into the address, and nobody is there to be asked.
    """
    parts = _split(name, url)
    driver, _, way = parts.scheme.partition("+")
    if driver != "qemu":
        raise _wrong(name, f"is no address that kind libvirt dials: {_RIGHT}")
    if way == "tcp":
        raise _wrong(name, f"goes unprotected: by qemu+tcp even the login is left to whoever answers. Use {_RIGHT}")
    if way not in _WAYS:
        raise _wrong(name, f"goes by a way that Cloudy does not take. Use {_RIGHT}")
    _refuse_blind_trust(name, parts.query, way)
    more = [f"pkipath={ca}"] if ca else []
    host = parts.netloc
    if way in _SSH:
        more.append("no_tty=1")
        host = f"{user}@{host}" if user and "@" not in host else host
    query = "&".join([*filter(None, [parts.query]), *more])
    return f"{parts.scheme}://{host}{parts.path}" + (f"?{query}" if query else "")


def _split(name: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _wrong(name, f"is no address: use {_RIGHT}") from None
    if parts.password is not None:
        raise _wrong(name, "holds a password; give it as `password`, which is kept apart from what may be shown")
    return parts


def _refuse_blind_trust(name: str, query: str, way: str) -> None:
    """Words by which libvirt takes anybody for the host; it reads their names in upper and lower case alike."""
    for word in re.split("[&;]", query):
        key, _, value = word.partition("=")
        if (unquote(key).lower(), unquote(value)) in (("no_verify", "0"), ("known_hosts_verify", "normal")):
            continue
        if unquote(key).lower() in ("no_verify", "known_hosts_verify"):
            how = "enter its key in known_hosts" if way in _SSH else "give who signed its certificate by `ca`"
            raise _wrong(name, f"says {unquote(key)}, so that anybody may answer as the host: leave it out, and {how}")


def _wrong(name: str, why: str) -> ConfigError:
    return ConfigError([f"hypervisors.{name}.url {why}"])
