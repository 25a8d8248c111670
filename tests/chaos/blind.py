"""`cloudy` as it must not be: it makes without looking whether it has made already, to see that chaos finds that out.

`python -m tests.chaos.blind serve ...`. The product itself has no such switch.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from bot import cli
from bot.actions import ACTIONS, Registered, vmstore
from integrations.objectstores.s3.store import S3Store
from integrations.vmstores.tintri import TintriVMstore

VARIABLE = "CLOUDY_CHAOS_BLIND"  # which creating calls do not look, separated by commas
CALLS = ("create_snapshot", "clone", "begin_upload")

_making = threading.local()


def put_out(owner: Any, call: str, look: str) -> None:
    """While `call` is at work in a thread, `look` finds nothing there."""
    calling, looking = getattr(owner, call), getattr(owner, look)

    def called(*args: Any, **kwargs: Any) -> Any:
        _making.now = True
        try:
            return calling(*args, **kwargs)
        finally:
            _making.now = False

    def looked(*args: Any, **kwargs: Any) -> Any:
        return [] if getattr(_making, "now", False) else looking(*args, **kwargs)

    setattr(owner, call, called)
    setattr(owner, look, looked)


class _Forgetful:
    """A clean-up ledger that knows of nothing."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def open(self, *_kind: object) -> tuple[()]:
        return ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def forget_clones() -> None:
    """The step Clone believes that it never asked for one before."""

    def clone(context: Any, inputs: Any) -> Any:
        return vmstore.clone(replace(context, ledger=_Forgetful(context.ledger)), inputs)

    actions = cast(dict[str, Registered], ACTIONS)
    actions["vmstore.clone"] = replace(actions["vmstore.clone"], run=clone)


_BLINDINGS: dict[str, Callable[[], None]] = {
    "create_snapshot": lambda: put_out(TintriVMstore, "create_snapshot", "_snapshots"),
    "clone": forget_clones,
    "begin_upload": lambda: put_out(S3Store, "begin_upload", "_open_uploads"),
}


def main() -> None:
    """Put the looking out, then be `cloudy`."""
    for call in filter(None, os.environ.get(VARIABLE, "").split(",")):
        _BLINDINGS[call]()
    cli.main()


if __name__ == "__main__":
    main()
