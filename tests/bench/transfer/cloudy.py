"""Starts work.py for one transaction after the other, and looks at it from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from integrations.simulators.demo.children import environment
from tests.bench.transfer.job import VMSTORE, Job
from tests.bench.transfer.measuring import ClientError, Figures, Span
from tests.bench.transfer.servers import ACCESS_KEY, REGION, SECRET_KEY, Azure, Place
from tests.bench.transfer.standins import ENOUGH, NOTHING

_HOUSE = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Target:
    """One place, and the bucket there."""

    place: Place
    bucket: str


class Cloudy:
    """An installation of its own: configuration, database, and the processes that work on it one by one."""

    def __init__(
        self,
        folder: Path,
        share: Path,
        targets: Mapping[str, Target],
        *,
        is_profiled: bool = False,
        restored: Path | None = None,
    ) -> None:
        """restored: where restores go to."""
        folder.mkdir(parents=True)
        self.folder = folder
        self._is_profiled = is_profiled
        self._places = [target.place for target in targets.values()]
        (folder / "cloudy.toml").write_text(_configuration(share, targets, restored))
        (folder / "secrets.env").write_text(_secrets(targets))

    def run(self, job: Job, *, is_to_fail: bool = False) -> Figures:
        """One transaction, to its end. ClientError: it ended otherwise than it was to."""
        return self._run(job, "tests.bench.transfer.work", self._wire, is_to_fail=is_to_fail)

    def restore(self, job: Job) -> Figures:
        """The same the other way round."""
        return self._run(job, "tests.bench.restore.work", self._given)

    def _run(self, job: Job, module: str, wire: Callable[[], tuple[int, int]], *, is_to_fail: bool = False) -> Figures:
        child = _Child(self.folder, replace(job, profile=self._is_profiled), module)
        span = Span([pid for place in self._places for pid in place.pids], wire)
        child.begin()
        said = child.result()
        found = span.end(wall=said["wall"], cpu=said["cpu"])
        child.end()
        is_right = ENOUGH in said["why"] if is_to_fail else said["outcome"] == "ok"
        if not is_right or said["failed"] or said["lost"]:
            raise ClientError(f"Cloudy: {said}\n{child.log()}")
        told = {name: value for name, value in said["told"].items() if isinstance(value, int)}
        return replace(
            found,
            start_wall=child.start_wall,
            start_cpu=child.start_cpu,
            peak=max(0, said["peak"]),
            read=said["read"],
            told=told,
            profile=tuple((str(place), float(seconds)) for place, seconds in said["profile"]),
        )

    def run_killed(self, job: Job, is_time: Callable[[int], bool]) -> int:
        """Let it work until so many bytes have come, then kill it; gives how many had come."""
        child = _Child(self.folder, job, "tests.bench.transfer.work")
        before = self._wire()[0]
        child.begin()
        while not is_time(self._wire()[0] - before):
            if child.is_over():
                raise ClientError("Cloudy was done before it could be killed")
            time.sleep(0.002)
        child.kill()
        time.sleep(0.2)  # for what was on its way
        return self._wire()[0] - before

    def _given(self) -> tuple[int, int]:
        counted = [place.given() for place in self._places]
        return sum(each[0] for each in counted), sum(each[1] for each in counted)

    def _wire(self) -> tuple[int, int]:
        counted = [place.wire() for place in self._places]
        return sum(each[0] for each in counted), sum(each[1] for each in counted)


class _Child:
    """One process of a work.py that is ready to begin."""

    def __init__(self, folder: Path, job: Job, module: str) -> None:
        (folder / "job.json").write_text(json.dumps(asdict(job)))
        self._log = folder / "work.log"
        began = time.monotonic()
        with self._log.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(folder)],
                env=environment({"HOME": str(folder), "PYTHONPATH": str(_HOUSE)}),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
            )
        self.start_cpu = float(self._said()["start_cpu"])
        self.start_wall = time.monotonic() - began

    def begin(self) -> None:
        """Let it work."""
        pipe = _pipe(self._process.stdin)
        pipe.write(b"begin\n")
        pipe.flush()

    def result(self) -> dict[str, Any]:
        """What it tells at its end."""
        return self._said()

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL it."""
        os.kill(self._process.pid, signal.SIGKILL)
        self.end()

    def end(self) -> None:
        """Wait until it is gone."""
        self._process.wait()
        _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()

    def log(self) -> str:
        """The end of what it logged."""
        return self._log.read_text(errors="replace")[-3000:]

    def _said(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            self.end()
            raise ClientError(f"work.py ended with {self._process.returncode}:\n{self.log()}")
        said: dict[str, Any] = json.loads(line)
        return said


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # as it was started
    return pipe


def _configuration(share: Path, targets: Mapping[str, Target], restored: Path | None) -> str:
    vmstore = {"url": "https://none.invalid", "user": "bench", "share": f"path:{share}", "cleanup": "manual"}
    vmstore |= {"restore_share": f"path:{restored}"} if restored else {}
    sections = [_section(f"vmstores.{VMSTORE}", **vmstore)]
    sections.append(_section(f"targets.{NOTHING}", url="s3://nothing"))
    for name, target in targets.items():
        place = target.place
        if isinstance(place, Azure):
            url = f"azure://{place.account.name}/{place.account.container}/{target.bucket}"
            sections.append(_section(f"targets.{name}", url=url, endpoint=place.endpoint))
            continue
        fields = {"url": f"s3://{target.bucket}", "endpoint": place.endpoint, "region": REGION}
        sections.append(_section(f"targets.{name}", **fields, **({"ca": place.ca} if place.ca else {})))
    return "\n".join(sections)


def _section(name: str, **values: str) -> str:
    return "".join([f"[{name}]\n", *(f"{key} = {json.dumps(value)}\n" for key, value in values.items())])


def _secrets(targets: Mapping[str, Target]) -> str:
    lines: list[str] = []
    for name, target in targets.items():
        prefix = f"CLOUDY_TARGETS__{name.upper()}__"
        if isinstance(target.place, Azure):
            lines.append(f"{prefix}ACCOUNT_KEY={target.place.account.key}")
        else:
            lines += [f"{prefix}ACCESS_KEY={ACCESS_KEY}", f"{prefix}SECRET_KEY={SECRET_KEY}"]
    return "\n".join(lines) + "\n"


def sizes(folder: Path, paths: Sequence[str]) -> dict[str, int]:
    """Of files below the share's folder."""
    return {path: (folder / path).stat().st_size for path in paths}
