"""Who may ask: Basic, or NTLM (as Negotiate, too) of one user; NTLM is by connection, and can encrypt what follows.

NTLM's arithmetic and the encryption of messages are those of `pyspnego` and `pypsrp`, which are libraries.
"""

import base64
import binascii
import os
import tempfile
from pathlib import Path
from typing import Any

import spnego
from pypsrp.encryption import WinRMEncryption

_SCHEMES = ("Negotiate", "NTLM", 'Basic realm="WSMAN"')


class Logins:
    """The one account."""

    def __init__(self, user: str, password: str) -> None:
        self._basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._folder = tempfile.TemporaryDirectory(prefix="hyperv-logins-")
        self._file = Path(self._folder.name) / "users"
        domain, _, name = user.rpartition("\\")
        self._file.write_text(f"{domain}:{name}:{password}\n")

    def close(self) -> None:
        """Forget it."""
        self._folder.cleanup()

    def is_basic(self, header: str) -> bool:
        """Whether that is the account, by Basic."""
        return header == f"Basic {self._basic}"

    def acceptor(self, token: bytes) -> Any:
        """The server's side of one NTLM login. It reads the accounts' file, which the library finds by a variable."""
        os.environ["NTLM_USER_FILE"] = str(self._file)
        is_bare = token.startswith(b"NTLMSSP\0")
        return spnego.server(protocol="ntlm" if is_bare else "negotiate")


class Login:
    """Of one connection."""

    def __init__(self, logins: Logins, *, is_encrypted: bool) -> None:
        """is_encrypted: whether the line is, by TLS; without it Basic is refused, and messages must be encrypted."""
        self._logins = logins
        self._is_encrypted = is_encrypted
        self._context: Any = None
        self.is_in = False
        self.last = ""  # of the login's words, to be sent with the answer to what was asked

    def ask(self, header: str) -> tuple[str, ...]:
        """Look at an Authorization header; give the headers that say what lacks, none where all is well."""
        if self._is_encrypted and self._logins.is_basic(header):
            return ()
        scheme, _, token = header.partition(" ")
        if scheme.lower() in ("negotiate", "ntlm") and token:
            return self._step(scheme, token)
        if self.is_in and not header:
            return ()
        return _SCHEMES if self._is_encrypted else _SCHEMES[:2]

    def _step(self, scheme: str, token: str) -> tuple[str, ...]:
        try:
            given = base64.b64decode(token)
            if self._context is None or self.is_in:
                self._context, self.is_in = self._logins.acceptor(given), False
            answer = self._context.step(given)
        except (spnego.exceptions.SpnegoError, binascii.Error, ValueError):
            self._context, self.is_in = None, False
            return _SCHEMES[:2]
        words = f"{scheme} {base64.b64encode(answer).decode()}" if answer else ""
        if self._context.complete:
            self.is_in, self.last = True, words
            return ()
        return (words,)

    @property
    def seal(self) -> WinRMEncryption | None:
        """What encrypts messages on a line that is not encrypted itself."""
        if self._is_encrypted or not self.is_in:
            return None
        return WinRMEncryption(self._context, WinRMEncryption.SPNEGO)
