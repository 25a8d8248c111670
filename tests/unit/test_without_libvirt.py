"""libvirt's library is optional: without it the tests of the README's command are skipped, and not broken."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent.parent
# What pytest does with each, where the library is not installed; importorskip raises what is a BaseException.
IMPORTING = """
import importlib, sys
sys.modules["libvirt"] = sys.modules["libvirt_qemu"] = None
import pytest
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except pytest.skip.Exception:
        pass
"""


def test_every_test_that_is_about_it_can_be_collected_without_it() -> None:
    about = [path for path in sorted((HERE / "tests").rglob("*.py")) if "libvirt" in path.read_text()]
    names = [".".join(path.relative_to(HERE).with_suffix("").parts) for path in about if path != Path(__file__)]
    assert "tests.contract.test_libvirt" in names
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, *names], cwd=HERE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
