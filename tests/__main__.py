"""`python -m tests`: every check of the house beside every test; exit status 0 only if all pass.

Arguments go to pytest (`python -m tests -m "not slow"`; `-n 0` runs one test after the other). Without
`-m` those marked long are left out; `-m long` runs them, `-m ""` all. With `--second-go` a few tests that failed may
pass in a second go; see below.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

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
# For .ci/run alone: its machine works for others too, and a test that starved there says nothing about the change. What
# is broken fails by itself as well, and what is broken widely is not asked twice.
SECOND_GO, AT_MOST, SECOND_GO_S = "--second-go", 5, 150
TESTS_FAILED = 1  # pytest's exit status; others say that it was not the tests


def main(arguments: list[str]) -> int:
    """Run everything, also after a check has failed, so that one run tells all."""
    has_second_go = SECOND_GO in arguments
    arguments = [each for each in arguments if each != SECOND_GO]
    chosen = [] if "-m" in arguments else ["-m", "not long"]
    with TemporaryDirectory(prefix="cloudy-tests-") as cache:
        kept = ["-o", f"cache_dir={cache}"] if has_second_go else []
        pytest = [sys.executable, "-m", "pytest", *AT_ONCE, *chosen, *kept, *arguments]
        with subprocess.Popen(pytest, cwd=HERE) as tests:
            checks = [_check(name, command) for name, command in CHECKS]
        print(*(told for _, told in checks), sep="\n", flush=True)
        is_good = all(each for each, _ in checks)
        if has_second_go and is_good and tests.returncode == TESTS_FAILED:
            return _second_go(_failed(Path(cache)))
    return tests.returncode or (0 if is_good else 1)


def _failed(cache: Path) -> list[str]:
    """Which tests did, as pytest itself notes it for `--last-failed`."""
    noted = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(noted.read_text())) if noted.exists() else []


def _second_go(failed: list[str]) -> int:
    """Run these alone, one after the other; 0 only if all pass, and then they are named all the same."""
    if not 0 < len(failed) <= AT_MOST:
        print(f"no second go: {len(failed)} tests failed, and it is for {AT_MOST} at most")
        return TESTS_FAILED
    print(f"second go, of {len(failed)} alone:", *failed, sep="\n  ", flush=True)
    alone = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *failed]
    try:
        done = subprocess.run(alone, cwd=HERE, check=False, timeout=SECOND_GO_S).returncode
    except subprocess.TimeoutExpired:
        print(f"NOT PASSED: the second go took more than {SECOND_GO_S} s")
        return TESTS_FAILED
    if done == 0:
        told = "failed, and passed when it ran again alone: mend it"
        print(*(f"SHAKY: {each} {told}" for each in failed), sep="\n")
    return done


def _check(name: str, command: list[str]) -> tuple[bool, str]:
    """Whether it is so, and what is to be told of it when the tests have ended."""
    done = subprocess.run(command, cwd=HERE, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    is_good = done.returncode == 0
    return is_good, f"{name}: yes" if is_good else f"{done.stdout}NOT {name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
