"""A line to libvirt whose calls end in time.

A call of libvirt has no time-out, so each runs in a thread of its own. One that hangs is left alone, and the line with
it: keep-alive messages end both, once nothing came for KEEPALIVE_S * (MISSED + 1) seconds.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import libvirt

from bot.errors import ConfigError, TransientError
from integrations.hypervisors.libvirt import loop
from integrations.hypervisors.libvirt.failures import in_words

T = TypeVar("T")
KEEPALIVE_S, MISSED = 5, 3


class Connection:
    """One line, opened when it is first needed and again when it broke. Its calls may come from several threads."""

    def __init__(self, name: str, url: str, login: tuple[str, str], timeout_s: float) -> None:
        self._name = name
        self._url = url
        self._login = login
        self.timeout_s = timeout_s  # of a call
        self._line: Any = None
        self._lock = threading.Lock()

    def ask(self, operation: str, work: Callable[[Any], T], *, timeout_s: float | None = None) -> T:
        """Give what the work makes of the line. Errors of bot.errors; TransientError too when it takes longer."""
        future: Future[T] = Future()
        wait_s = self.timeout_s if timeout_s is None else timeout_s

        def run() -> None:
            try:
                future.set_result(work(self._opened()))
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)

        threading.Thread(target=run, name=f"libvirt-{self._name}", daemon=True).start()
        try:
            return future.result(wait_s)
        except TimeoutError as error:
            self._drop()
            raise TransientError(
                f"{self._name} did not answer within {wait_s:.0f} s ({operation}).",
                system=self._name,
                operation=operation,
            ) from error
        except libvirt.libvirtError as error:
            failure = in_words(error, self._name, operation)
            if isinstance(failure, TransientError):
                self._drop()
            raise failure from error

    def close(self) -> None:
        """Hang up; the next call opens it again."""
        self._drop()

    def _opened(self) -> Any:
        """The line; opened without a lock, since that may hang, so that of two the later one is hung up."""
        with self._lock:
            found = self._line
        if found is not None and found.isAlive():
            return found
        loop.begin()
        made = self._dialled()
        with suppress(libvirt.libvirtError):  # a driver inside of this process has no line to be kept alive
            made.setKeepAlive(KEEPALIVE_S, MISSED)
        with self._lock:
            if self._line in (None, found):
                self._line = made
            return self._line

    def _dialled(self) -> Any:
        user, password = self._login

        def answer(asked: list[list[Any]], _: object) -> int:
            for each in asked:
                each[4] = user if each[0] in (libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_USERNAME) else password
            return 0

        kinds = [libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_USERNAME, libvirt.VIR_CRED_PASSPHRASE]
        return libvirt.openAuth(self._url, [kinds, answer, None], 0) if password else libvirt.open(self._url)

    def _drop(self) -> None:
        """Forget the line, and hang up in another thread, since that may hang itself."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            threading.Thread(target=_hang_up, args=(line,), name=f"libvirt-{self._name}-end", daemon=True).start()


def _hang_up(line: Any) -> None:
    with suppress(libvirt.libvirtError):
        line.close()


def dialled_url(name: str, url: str, user: str, ca: str) -> str:
    """What libvirt is to dial. ConfigError: not QEMU's driver.

    ca: a folder with cacert.pem, and clientcert.pem and clientkey.pem where the host asks for them (pkipath in
    https://libvirt.org/uri.html). By SSH the user belongs into the address, and nobody is there to be asked.
    """
    parts = urlsplit(url)
    driver, _, way = parts.scheme.partition("+")
    if driver != "qemu":
        raise ConfigError(
            [f"hypervisors.{name}.url is {url!r}; kind libvirt takes qemu:///system, qemu+tls://host/..."]
        )
    more = [f"pkipath={ca}"] if ca else []
    host = parts.netloc
    if way in ("ssh", "libssh", "libssh2"):
        more.append("no_tty=1")
        host = f"{user}@{host}" if user else host
    query = "&".join([*filter(None, [parts.query]), *more])
    found = urlunsplit((parts.scheme, host, parts.path, query, ""))
    return found if host else found.replace(f"{parts.scheme}:/", f"{parts.scheme}:///", 1).replace("////", "///", 1)
