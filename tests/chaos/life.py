"""One process of the bot, `cloudy serve` as it is; it dies with the test, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bot.crossings import VARIABLE
from integrations.simulators.demo import leash
from integrations.simulators.demo.children import environment
from tests.chaos.blind import VARIABLE as BLIND

HOUSE = Path(__file__).resolve().parents[2]
_READY = "cloudy: ready"
_READY_S = 60.0
_LOOK_S = 0.02


class Process:
    """Started at once. Belongs to the thread that starts it: when that ends, so does the process."""

    def __init__(self, folder: Path, number: int, *, crossings: str = "", blind: str = "") -> None:
        self.log = folder / f"bot-{number:02}.log"
        module = "tests.chaos.blind" if blind else "bot"
        command = [sys.executable, "-m", module, "serve", "--config", str(folder / "cloudy.toml")]
        with self.log.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", leash.__file__, "--parent", str(os.getpid()), "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=environment({VARIABLE: crossings, BLIND: blind, "PYTHONPATH": str(HOUSE)}),
                cwd=folder,
                start_new_session=True,
            )

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """How it ended: minus the signal's number for a signal."""
        return self._process.poll()

    @property
    def died_at(self) -> str:
        """The crossing that it died at, "" where it died otherwise."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line.removeprefix("crossing: ") for line in lines if line.startswith("crossing: ")), "")

    def wait_ready(self) -> bool:
        """Wait until it works; False: it died before."""
        deadline = time.monotonic() + _READY_S
        while self.is_alive and time.monotonic() < deadline:
            if _READY in self.log.read_text(errors="replace"):
                return True
            time.sleep(_LOOK_S)
        return False

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False: it lives on."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it as a power cut would; repeating is safe."""
        self._process.kill()
        self._process.wait()

    def end(self, seconds: float) -> int | None:
        """Ask it to end; gives its exit status, None where it did not in time and was killed."""
        self._process.send_signal(signal.SIGTERM)
        if not self.wait(seconds):
            self.kill()
            return None
        return self._process.returncode


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if str(folder) in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found
