"""`python -m tests`: every check of the house beside every test; exit status 0 only if all pass.

Arguments go to pytest (`python -m tests -m "not slow"`; `-n 0` runs one test after the other). Without
`-m` those marked long are left out; `-m long` runs them, `-m ""` all.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CHECKS = (
    ("formatted", [str(BIN / "ruff"), "format", "--check", "--quiet", "."]),
    ("linted", [str(BIN / "ruff"), "check", "--quiet", "."]),
    ("typed", [str(BIN / "mypy")]),
    ("dependencies point down", [str(BIN / "lint-imports"), "--no-cache"]),
)
# Half of the tests' time is waiting, so that five at once keep two cores busy. A module stays with one of them, so that
# what it sets up, such as a whole demo, is set up once; which come first, tests/conftest.py tells.
AT_ONCE = ("-n", "5", "--dist", "loadfile", "--no-loadscope-reorder")


def main(arguments: list[str]) -> int:
    """Run everything, also after a check has failed, so that one run tells all."""
    chosen = [] if "-m" in arguments else ["-m", "not long"]
    pytest = [sys.executable, "-m", "pytest", *AT_ONCE, *chosen, *arguments]
    with subprocess.Popen(pytest, cwd=HERE) as tests:
        checks = [_check(name, command) for name, command in CHECKS]
    print(*(told for _, told in checks), sep="\n")
    return tests.returncode or (0 if all(is_good for is_good, _ in checks) else 1)


def _check(name: str, command: list[str]) -> tuple[bool, str]:
    """Whether it is so, and what is to be told of it when the tests have ended."""
    done = subprocess.run(command, cwd=HERE, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    is_good = done.returncode == 0
    return is_good, f"{name}: yes" if is_good else f"{done.stdout}NOT {name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
