"""The other tools, the other way round: they bring an object back into a file."""

from dataclasses import dataclass
from pathlib import Path

from tests.bench.transfer.measuring import Figures
from tests.bench.transfer.peers import Peers, rclone_settings
from tests.bench.transfer.servers import Place

NAMES = ("s5cmd", "aws", "rclone")


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be fetched, and into which file."""

    place: Place
    bucket: str
    key: str
    into: Path


class Fetchers(Peers):
    """Those that could be had."""

    def fetch(self, name: str, errand: Errand, folder: Path, start: tuple[float, float]) -> Figures:
        """Fetch it. ClientError: it did not."""
        return self._timed(name, self._fetching(name, errand), errand.place, errand.place.given, folder, start)

    def _fetching(self, name: str, errand: Errand) -> list[str]:
        program, url, where = str(self._bin / name), errand.place.endpoint, f"{errand.bucket}/{errand.key}"
        if name == "s5cmd":
            return [program, "--log", "error", "--endpoint-url", url, "cp", f"s3://{where}", str(errand.into)]
        if name == "aws":
            return [program, "s3", "cp", f"s3://{where}", str(errand.into), "--endpoint-url", url, "--only-show-errors"]
        return [program, "copyto", f":s3:{where}", str(errand.into), *rclone_settings(errand.place)]
