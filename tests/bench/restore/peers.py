"""The other tools, the other way round: they bring an object back into a file."""

from dataclasses import dataclass, replace
from pathlib import Path

from integrations.simulators.demo.children import environment
from tests.bench.transfer.measuring import Figures, Span, run
from tests.bench.transfer.peers import Peers, trust, variables
from tests.bench.transfer.servers import Place

NAMES = ("s5cmd", "aws", "rclone")


@dataclass(frozen=True, slots=True)
class Way:
    """What is to be fetched, and into which file."""

    place: Place
    bucket: str
    key: str
    into: Path


class Fetchers(Peers):
    """Those that could be had."""

    def fetch(self, name: str, way: Way, folder: Path, start: tuple[float, float]) -> Figures:
        """Fetch it. ClientError: it did not."""
        env = environment(variables(folder) | trust(name, way.place))
        span = Span(way.place.pids, way.place.given)
        wall, cpu, peak = run(self._fetching(name, way), env=env, folder=folder)
        found = span.end(wall=wall, cpu=cpu)
        return replace(
            found,
            wall=max(0.0, wall - start[0]),
            cpu=max(0.0, cpu - start[1]),
            start_wall=start[0],
            start_cpu=start[1],
            peak=peak,
        )

    def _fetching(self, name: str, way: Way) -> list[str]:
        program, url, where = str(self._bin / name), way.place.endpoint, f"{way.bucket}/{way.key}"
        if name == "s5cmd":
            return [program, "--log", "error", "--endpoint-url", url, "cp", f"s3://{where}", str(way.into)]
        if name == "aws":
            return [program, "s3", "cp", f"s3://{where}", str(way.into), "--endpoint-url", url, "--only-show-errors"]
        settings = ["--s3-provider=Other", f"--s3-endpoint={url}", "--s3-env-auth", "--s3-no-check-bucket", "--config="]
        settings += [f"--ca-cert={way.place.ca}"] if way.place.ca else []
        return [program, "copyto", f":s3:{where}", str(way.into), *settings]
