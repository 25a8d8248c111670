"""Reads along what VMs say on their consoles: the end of it, kept in memory while Cloudy runs."""

import threading
from contextlib import suppress
from typing import Any

import libvirt

KEPT = 256 << 10  # bytes of each console
_PIECE = 16 << 10
_ENDS = libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP


class Consoles:
    """By the ids of VMs. What was said while nobody read along is lost: QEMU keeps nothing."""

    def __init__(self) -> None:
        self._open: dict[str, _Console] = {}
        self._lock = threading.Lock()

    def attach(self, line: Any, domain: Any, vm_id: str) -> None:
        """Read along from now on, and begin anew. libvirtError: it has no console, or somebody else reads it."""
        self.detach(vm_id)
        console = _Console(line, domain)
        with self._lock:
            former, self._open[vm_id] = self._open.get(vm_id), console
        if former is not None:  # somebody else did the same just now
            former.end()

    def said(self, vm_id: str) -> bytes | None:
        """The end of what was said; None: nobody reads along."""
        with self._lock:
            console = self._open.get(vm_id)
        return None if console is None or console.is_over else console.said()

    def detach(self, vm_id: str) -> None:
        """Read along no more; repeating is safe."""
        with self._lock:
            console = self._open.pop(vm_id, None)
        if console is not None:
            console.end()

    def detach_all(self) -> None:
        """The same for all."""
        with self._lock:
            consoles, self._open = list(self._open.values()), {}
        for console in consoles:
            console.end()


class _Console:
    """One stream, read in libvirt's event loop whenever something came."""

    def __init__(self, line: Any, domain: Any) -> None:
        self._text = bytearray()
        self._lock = threading.Lock()
        self.is_over = False
        self._stream = line.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, self._stream, 0)
        self._stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE | _ENDS, self._hear, None)

    def said(self) -> bytes:
        with self._lock:
            return bytes(self._text)

    def end(self) -> None:
        """Let go of the stream; it may be broken already. Repeating is safe."""
        self._stop()
        _free(self._stream)
        with self._lock:
            self._text.clear()

    def _stop(self) -> None:
        self.is_over = True
        with suppress(libvirt.libvirtError):
            self._stream.eventRemoveCallback()
        with suppress(libvirt.libvirtError):
            self._stream.abort()

    def _hear(self, stream: Any, events: int, _: object) -> None:
        try:
            while (piece := stream.recv(_PIECE)) != -2:
                if not piece:
                    events = _ENDS
                    break
                with self._lock:
                    self._text += piece
                    del self._text[:-KEPT]
        except libvirt.libvirtError:
            events = _ENDS
        if events & _ENDS:
            self._stop()


def _free(stream: Any) -> None:
    """As Python does once nobody holds it, which may be never: the callback that it holds, holds it.

    And libvirt may keep for ever what eventAddCallback was given: the stream, and with it the line. Source: "[PATCH]
    remote/stream-event: Fix a memory leak in remoteStreamCallbackFree()", 2025-06-26, on its developers' list.
    """
    vars(stream).pop("cb", None)
    stream.__del__()
