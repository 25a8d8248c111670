"""The cases: what is sent, by whom, to where."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bot.config import TargetSettings
from bot.grains import grain_bytes
from tests.bench import sidebyside
from tests.bench.transfer import data
from tests.bench.transfer.cloudy import Cloudy, Target, sizes
from tests.bench.transfer.job import EXPORT, Job
from tests.bench.transfer.measuring import Figures
from tests.bench.transfer.peers import Errand
from tests.bench.transfer.servers import Place, Sink
from tests.bench.transfer.standins import NOTHING
from tests.bench.transfer.verdicts import CLOUDY, GIB, MIB, Record

_DISK = "disk"
_S3, _AZURE = "s3", "azure"
_SMALL, _SMALL_BYTES = 200, 32 << 10
_DIGEST_BYTES = 24  # of one grain
_SEED = 20261126


class Bench(sidebyside.Bench):
    """One run of the benchmark."""

    def cloudy(self, **targets: Target) -> Cloudy:
        """A new installation."""
        return Cloudy(self.folder / self.fresh(), self.share, targets, is_profiled=self.is_profiled)

    def side_by_side(
        self, case: str, place: Place, source: Path, wanted: Callable[[], int], ours: Callable[[], Figures]
    ) -> None:
        """Everybody in turn, again and again; wanted: asked after each run of ours."""
        size = sum(each.stat().st_size for each in source.iterdir()) if source.is_dir() else source.stat().st_size
        for _ in range(self.times):
            for name in (CLOUDY, *self.peers.names):
                found = ours() if name == CLOUDY else self._peer(name, place, source)
                self.note(Record(case=case, place=place.name, client=name, size=size, wanted=wanted(), figures=found))

    def _peer(self, name: str, place: Place, source: Path) -> Figures:
        data.warm(source)
        with self.bucket(place) as bucket:
            return self.peers.send(name, Errand(source, place, bucket), self.home, self.starts[name])

    def in_full(self, place: Place, paths: list[str]) -> Figures:
        """Cloudy's first transaction."""
        data.warm(self.share)
        with self.bucket(place) as bucket:
            cloudy = self.cloudy(s3=Target(place, bucket))
            return cloudy.run(Job(transaction=self.fresh(), targets=(_S3,), files=sizes(self.share, paths)))

    def again(self, place: Place, change: Callable[[], None]) -> Figures:
        """Cloudy's second transaction, after the disk was changed."""
        files = sizes(self.share, [_DISK])
        with self.bucket(place) as bucket:
            cloudy, base = self.cloudy(s3=Target(place, bucket)), self.fresh()
            if isinstance(place, Sink):
                place.teach(bucket, f"{base}{EXPORT}/{_DISK}", data.prefixes(self.disk))
            cloudy.run(Job(transaction=base, targets=(_S3,), files=files, commit=True))
            change()
            data.warm(self.disk)
            return cloudy.run(Job(transaction=self.fresh(), targets=(_S3,), files=files, bases={_S3: base}))


def random_disk(bench: Bench) -> None:
    """First full, 4 GiB random."""
    size = bench.scaled(4 * GIB)
    data.make_random(bench.disk, size)
    sink = bench.places.sink
    bench.side_by_side("random", sink, bench.disk, lambda: size, lambda: bench.in_full(sink, [_DISK]))


def sparse_disk(bench: Bench) -> None:
    """First full, 8 GiB with 10 % data in 4 MiB pieces."""
    size, run = bench.scaled(8 * GIB), 4 * MIB
    begins = data.places(size, 0.1, run, _SEED)
    data.make_sparse(bench.disk, size, begins, run)
    for place in bench.places.s3:
        ours = _in_full_to(bench, place)
        bench.side_by_side("sparse", place, bench.disk, lambda: len(begins) * run, ours)
    if azure := bench.places.azure:
        found = bench.in_full(azure, [_DISK])
        bench.note(
            Record(case="sparse", place="azure", client=CLOUDY, size=size, wanted=len(begins) * run, figures=found)
        )


def _in_full_to(bench: Bench, place: Place) -> Callable[[], Figures]:
    return lambda: bench.in_full(place, [_DISK])


def changed_disk(bench: Bench) -> None:
    """Second run, 2 % changed in 16 MiB runs; the others send all again."""
    size, run = bench.scaled(4 * GIB), 16 * MIB
    data.make_random(bench.disk, size)
    change = _Change(bench.disk, size, run)
    for place in bench.places.s3:
        bench.side_by_side("changed", place, bench.disk, lambda: change.size, _again_to(bench, place, change))


def _again_to(bench: Bench, place: Place, change: Callable[[], None]) -> Callable[[], Figures]:
    return lambda: bench.again(place, change)


def scattered_disk(bench: Bench) -> None:
    """Second run on Azure, 2 % changed in 1 MiB runs."""
    if (azure := bench.places.azure) is None:
        return
    size = bench.scaled(2 * GIB)
    data.make_random(bench.disk, size)
    change = _Change(bench.disk, size, MIB)
    found = bench.again(azure, change)
    bench.note(Record(case="scattered", place="azure", client=CLOUDY, size=size, wanted=change.size, figures=found))


def unchanged_disk(bench: Bench) -> None:
    """Nothing changed."""
    size = bench.scaled(4 * GIB)
    data.make_random(bench.disk, size)
    for _ in range(bench.times):
        found = bench.again(bench.places.sink, lambda: None)
        bench.note(Record(case="unchanged", place="sink", client=CLOUDY, size=size, wanted=0, figures=found))


def small_files(bench: Bench) -> None:
    """200 small files."""
    folder = bench.share / "small"
    data.make_small(folder, _SMALL, _SMALL_BYTES)
    paths = [f"small/{each.name}" for each in sorted(folder.iterdir())]
    if real := bench.places.real:
        bench.side_by_side("small", real, folder, lambda: _SMALL * _SMALL_BYTES, lambda: bench.in_full(real, paths))
    for path in paths:
        (bench.share / path).unlink()
    folder.rmdir()


def two_targets(bench: Bench) -> None:
    """The CPU of two targets at once, of each alone, and of reading and hashing alone."""
    size = bench.scaled(GIB)
    data.make_random(bench.disk, size)
    other = bench.places.azure or bench.places.other_sink
    ways = {CLOUDY: (_S3, _AZURE), "first alone": (_S3,), "second alone": (_AZURE,), "reading alone": (NOTHING,)}
    for _ in range(bench.times):
        for client, names in ways.items():
            data.warm(bench.disk)
            targets = {_S3: Target(bench.places.sink, bench.fresh()), _AZURE: Target(other, bench.fresh())}
            job = Job(transaction=bench.fresh(), targets=names, files=sizes(bench.share, [_DISK]))
            found = bench.cloudy(**targets).run(job)
            bench.note(Record(case="two", place="both", client=client, size=size, wanted=size, figures=found))


def memory(bench: Bench) -> None:
    """Disks that are simulated, as far as is needed for the memory to be as much as it gets; then the run fails.

    What grows with the file is added as if all had been read: the digests.
    """
    for size in (1 << 40, 10 << 40):
        bench.disk.touch()
        job = Job(transaction=bench.fresh(), targets=(_S3,), files={_DISK: size}, huge=bench.scaled(12 * GIB))
        target = Target(bench.places.sink, bench.fresh())
        found = bench.cloudy(s3=target).run(job, is_to_fail=True)
        digests = (size - job.huge) // grain_bytes(size, 5 * MIB) * _DIGEST_BYTES
        found = replace(found, peak=found.peak + digests)
        bench.note(Record(case="memory", place="sink", client=f"{size >> 40} TiB", size=size, wanted=0, figures=found))


def killed(bench: Bench) -> None:
    """SIGKILL in the middle of a 4 GiB upload, then the same transaction once more."""
    size = bench.scaled(4 * GIB)
    data.make_random(bench.disk, size)
    settings = TargetSettings(url="s3://any")
    for _ in range(bench.times):
        data.warm(bench.disk)
        cloudy = bench.cloudy(s3=Target(bench.places.sink, bench.fresh()))
        job = Job(transaction=bench.fresh(), targets=(_S3,), files=sizes(bench.share, [_DISK]))
        before = cloudy.run_killed(job, lambda sent: sent >= size // 2)
        found = cloudy.run(job)
        told = {"again": before + found.wire - size, "in_flight": settings.threads * settings.part_mib * MIB}
        found = replace(found, wire=before + found.wire, told=told)
        bench.note(Record(case="kill", place="sink", client=CLOUDY, size=size, wanted=size, figures=found))


class _Change:
    """Changes 2 % of a disk, each time elsewhere."""

    def __init__(self, disk: Path, size: int, run: int) -> None:
        self._disk = disk
        self._length = size
        self._run = run
        self._seed = _SEED
        self.size = 0  # bytes that the last change wrote

    def __call__(self) -> None:
        self._seed += 1
        begins = data.places(self._length, 0.02, self._run, self._seed)
        data.change(self._disk, begins, self._run)
        self.size = len(begins) * self._run


CASES: dict[str, Callable[[Bench], None]] = {
    "random": random_disk,
    "sparse": sparse_disk,
    "changed": changed_disk,
    "scattered": scattered_disk,
    "unchanged": unchanged_disk,
    "small": small_files,
    "two": two_targets,
    "memory": memory,
    "kill": killed,
}
