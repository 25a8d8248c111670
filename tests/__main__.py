"""`python -m tests`: every check of the house, then every test; exit status 0 only if all pass.

Arguments go to pytest (`python -m tests -m "not slow"`; `-n 0` runs one test after the other). Without
`-m` those marked long are left out; `-m long` runs them, `-m ""` all.
"""

import os
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
# Half of the tests' time is waiting, so that four at once keep two cores busy.
AT_ONCE = ("-n", "4", "--dist", "worksteal")


def main(arguments: list[str]) -> int:
    """Run everything, also after a check has failed, so that one run tells all."""
    failed = [name for name, command in CHECKS if not _passes(name, command)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    chosen = [] if "-m" in arguments else ["-m", "not long"]
    pytest = [sys.executable, "-m", "pytest", *AT_ONCE, *chosen, *arguments]
    tests = subprocess.run(pytest, cwd=HERE, env=environment, check=False)
    for name in failed:
        print(f"NOT {name}")
    return tests.returncode or (1 if failed else 0)


def _passes(name: str, command: list[str]) -> bool:
    done = subprocess.run(command, cwd=HERE, check=False)
    print(f"{name}: {'yes' if done.returncode == 0 else 'NO'}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
