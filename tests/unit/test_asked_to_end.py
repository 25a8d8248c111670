"""SIGTERM ends the bot whenever it comes, also in the instant in which the main thread begins to wait for it."""

import subprocess
import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
INSTANTS = 40
SCRIPT = f"""
import os, signal, sys, threading
from bot.main import asked_to_end

def at(instant):
    wait, passed = asked_to_end(), 0

    def trace(_frame, _event, _argument):
        nonlocal passed
        passed += 1
        if passed == instant:
            signal.raise_signal(signal.SIGTERM)
        return trace

    late = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))  # for instants after the wait has begun
    late.start()
    sys.settrace(trace)
    wait()
    sys.settrace(None)
    late.join()

for instant in range(1, {INSTANTS}):
    at(instant)
print("ended each time")
"""


def test_a_signal_at_any_instant_of_the_wait_ends_it() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=HOUSE, capture_output=True, timeout=30, check=False)
    assert done.stdout.decode().strip() == "ended each time", done.stderr.decode()
