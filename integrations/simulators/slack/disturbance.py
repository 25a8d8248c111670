"""A delivery with the habits that Slack's has on a bad day: things come twice, or in another order."""

import threading

from .delivery import Delivery, Request

_HOLD_S = 0.3  # a request that waits to be overtaken goes on after that, whether or not another came


class Disturbed:
    """Passes requests on to another delivery; both switches are off at first."""

    def __init__(self, inner: Delivery) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._is_doubling = False
        self._is_reordering = False
        self._held: Request | None = None

    @property
    def is_doubling(self) -> bool:
        """Whether everything is delivered twice."""
        return self._is_doubling

    def duplicate(self, is_on: bool) -> None:
        """Deliver everything twice, byte for byte the same."""
        self._is_doubling = is_on

    def reorder(self, is_on: bool) -> None:
        """Let every second request overtake the one before it."""
        with self._lock:
            self._is_reordering = is_on
        if not is_on:
            self._release()

    def send(self, request: Request) -> None:
        """See Delivery."""
        request.copies = 2 if self._is_doubling else 1
        with self._lock:
            if self._is_reordering and self._held is None:
                self._held = request
                timer = threading.Timer(_HOLD_S, self._release, (request,))
                timer.daemon = True
                timer.start()
                return
        self._inner.send(request)
        self._release()

    def ready(self, timeout_s: float) -> bool:
        """See Delivery."""
        return self._inner.ready(timeout_s)

    def _release(self, only: Request | None = None) -> None:
        with self._lock:
            held = self._held if only is None or only is self._held else None
            if held is not None:
                self._held = None
        if held is not None:
            self._inner.send(held)
