"""When an export with nothing in it is believed to be one."""

from pathlib import Path

import pytest

from bot.errors import PermanentError
from bot.mounted import check_mounted
from bot.watchdog import Watchdog
from integrations.shares import OPENERS
from tests.memory import MemoryShare


def test_an_empty_folder_where_nothing_is_mounted_is_no_export(tmp_path: Path) -> None:
    share = OPENERS["path"](f"path:{tmp_path}", export="/tintri")
    with pytest.raises(PermanentError, match="`share` of vmstore is empty"):
        check_mounted(Watchdog().watch(share, lambda: None), "vmstore", "share")
    (tmp_path / "vm01").mkdir()
    check_mounted(share, "vmstore", "share")


def test_an_empty_folder_with_a_mount_is_a_new_vmstores_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = OPENERS["path"](f"path:{tmp_path}", export="/tintri")
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path)
    check_mounted(Watchdog().watch(share, lambda: None), "vmstore", "share")


def test_a_server_that_shows_an_empty_export_is_believed() -> None:
    share = MemoryShare({})
    share.may_be_unmounted = False
    check_mounted(share, "vmstore", "share")
