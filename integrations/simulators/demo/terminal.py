"""The terminal: a prompt that what happens meanwhile does not spoil."""

import sys
import threading
from collections.abc import Iterator

try:
    import readline
except ImportError:  # not built in everywhere; then a line being typed is not shown again
    readline = None  # type: ignore[assignment]

_PROMPT = "demo> "
_QUIT = ("quit", "exit")


class Terminal:
    """Standard input and output. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_asking = False

    def show(self, text: str) -> None:
        """Print at once; a prompt that stands there, with what is typed so far, comes again below."""
        with self._lock:
            if self._is_asking:
                typed = readline.get_line_buffer() if readline else ""
                sys.stdout.write(f"\r\x1b[K{text}\n{_PROMPT}{typed}")
            else:
                sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def lines(self) -> Iterator[str]:
        """What is typed, until "quit" or the end of input."""
        is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        while True:
            self._is_asking = is_terminal
            try:
                typed = input(_PROMPT if is_terminal else "").strip()
            except EOFError:
                return
            finally:
                self._is_asking = False
            if typed in _QUIT:
                return
            yield typed
