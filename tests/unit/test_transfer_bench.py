"""The benchmark of the data path: its arithmetic, its files, and the sink that it compares clients with."""

import shutil
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checksum import crc64
from bot.errors import ChangedError, IntegrityError, MissingError
from bot.model import CopySource, PartDone
from integrations.objectstores.s3.store import S3Store, open_s3
from tests.bench.transfer import __main__ as bench
from tests.bench.transfer import data, table
from tests.bench.transfer.cases import CASES
from tests.bench.transfer.measuring import Figures
from tests.bench.transfer.servers import ACCESS_KEY, REGION, SECRET_KEY, AbsentError, Sink
from tests.bench.transfer.verdicts import CLOUDY, GIB, MIB, Record, Results, judged, middle, size_text

ETAG = "0" * 32


def record(case: str, place: str, client: str = CLOUDY, *, wanted: int = GIB, **figures: float) -> Record:
    found = Figures(**{"wall": 1.0, "cpu": 1.0, **figures})  # type: ignore[arg-type] # floats stand for counts
    return Record(case=case, place=place, client=client, size=4 * GIB, wanted=wanted, figures=found)


def verdict(records: list[Record], what: str) -> tuple[str, bool]:
    (found,) = [each for each in judged(Results(records)) if what in each.what]
    return found.value, found.is_reached


def test_the_median_of_each_figure_counts() -> None:
    runs = [Figures(wall=wall, cpu=cpu, wire=wire) for wall, cpu, wire in ((1, 9, 5), (3, 7, 6), (2, 8, 40))]
    found = middle(runs)
    assert (found.wall, found.cpu, found.wire) == (2, 8, 6)


def test_cpu_is_compared_with_s5cmd_and_boto3() -> None:
    records = [
        record("random", "sink", cpu=4.5),
        record("random", "sink", "s5cmd", cpu=10.0),
        record("random", "sink", "boto3", cpu=9.0),
    ]
    assert verdict(records, "CPU against s5cmd's") == ("0.45", True)
    assert verdict(records, "CPU against boto3's") == ("0.50", False)


def test_speed_is_compared_with_the_fastest_peer() -> None:
    peers = [record("sparse", "sink", "aws", wall=9.0), record("sparse", "sink", "rclone", wall=20.0)]
    assert verdict([record("sparse", "sink", wall=2.0), *peers], "speed against aws's") == ("4.50", True)
    assert verdict([record("sparse", "sink", wall=3.0), *peers], "speed against aws's") == ("3.00", False)


@pytest.mark.parametrize(("wall", "reached"), [(10.4, True), (10.6, False)])
def test_not_behind_allows_for_noise(wall: float, reached: bool) -> None:
    records = [record("small", "real", wall=wall), record("small", "real", "s5cmd", wall=10.0)]
    assert verdict(records, "speed against s5cmd's")[1] is reached


def test_bytes_that_were_sent_are_compared_with_what_had_to_be() -> None:
    assert verdict([record("changed", "sink", wanted=100, wire=140)], "bytes sent") == ("1.40", True)
    assert verdict([record("scattered", "azure", wanted=100, wire=151)], "bytes sent") == ("1.51", False)
    assert verdict([record("sparse", "azure", wanted=100, wire=111)], "bytes sent") == ("1.11", False)


def test_what_did_not_change_is_judged_by_its_share_and_its_speed() -> None:
    records = [record("unchanged", "sink", wire=4 * MIB, wall=2.0)]
    assert verdict(records, "bytes sent") == ("0.0977%", True)
    assert verdict(records, "read and hashed") == ("2.15 GB/s", False)


def test_two_targets_may_cost_one_reading_and_both_sendings() -> None:
    alone = [
        record("two", "both", "first alone", cpu=5.0),
        record("two", "both", "second alone", cpu=7.0),
        record("two", "both", "reading alone", cpu=2.0),
    ]
    assert verdict([record("two", "both", cpu=11.5, read=4 * GIB), *alone], "CPU against") == ("1.15", True)
    assert verdict([record("two", "both", cpu=11.6, read=8 * GIB), *alone], "CPU against") == ("1.16", False)
    assert verdict([record("two", "both", read=8 * GIB), *alone], "each byte read") == ("2.000 times", False)


def test_memory_is_judged_for_every_size() -> None:
    records = [record("random", "sink", peak=299 * 10**6), record("memory", "sink", "10 TiB", peak=301 * 10**6)]
    assert [each.is_reached for each in judged(Results(records))] == [True, False]


def test_what_is_sent_again_may_be_as_much_as_was_on_its_way() -> None:
    ours = record("kill", "sink")
    for again, reached in ((64 * MIB, True), (64 * MIB + 1, False)):
        figures = Figures(wall=1, cpu=1, told={"again": again, "in_flight": 64 * MIB})
        killed = Record(case="kill", place="sink", client=CLOUDY, size=ours.size, wanted=0, figures=figures)
        assert verdict([killed], "sent again")[1] is reached


def test_what_was_not_measured_is_not_judged() -> None:
    assert judged(Results([])) == []
    assert judged(Results([record("random", "sink", "s5cmd"), record("small", "real")])) == []


def test_tables_have_a_line_for_each_client_and_each_aim() -> None:
    results = Results([record("random", "sink", cpu=8.0, wire=4 * GIB), record("random", "sink", "s5cmd", cpu=10.0)])
    assert "| random | sink | cloudy | 4 GiB | 1.00 | 8.00 | 2.00 | 0 | 4096.0 | 0.0 |" in table.measured(results)
    assert "| random | sink | CPU against s5cmd's | 0.80 | at most 0.45 | **no** |" in table.aims(judged(results))
    assert [size_text(size) for size in (10 << 40, GIB, 6400 << 10, 512)] == ["10 TiB", "1 GiB", "6.25 MiB", "0.5 KiB"]


def test_a_row_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench._options(["--rows", "random,odd"])
    assert "--rows: odd is none of random" in capsys.readouterr().err
    chosen = bench._options(["--clients=", "--scale", "0.5"])
    assert (chosen.clients, chosen.rows, chosen.scale) == ((), tuple(CASES), 0.5)


@given(
    size=st.integers(1, 1 << 40), share=st.floats(0.001, 0.5), run=st.sampled_from((MIB, 4 * MIB)), seed=st.integers()
)
def test_places_lie_in_the_file_and_do_not_overlap(size: int, share: float, run: int, seed: int) -> None:
    size = max(size, 64 * run)
    share = max(share, 1e4 * run / size) if size > 2e4 * run else share  # not millions of them
    share = min(share, 1000 * run / size)
    begins = data.places(size, share, run, seed)
    ends = [begin + run for begin in begins]
    assert len(begins) == max(1, round(size * share / run))
    assert begins[0] >= 0
    assert ends[-1] <= size
    assert all(begin % data.ALIGNED == 0 for begin in begins)
    assert all(end <= begin for end, begin in zip(ends, begins[1:], strict=False))


def test_a_sparse_file_has_only_its_stretches(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    data.make_random(path, MIB)
    data.make_sparse(path, 2 * MIB, [MIB], 4096)
    content = path.read_bytes()
    assert len(content) == 2 * MIB
    assert not any(content[:MIB])
    assert not any(content[MIB + 4096 :])
    assert any(content[MIB : MIB + 4096])


def test_prefixes_are_the_crcs_of_beginnings(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    data.make_random(path, 9 * MIB + 5)
    content, found = path.read_bytes(), memoryview(data.prefixes(path)).cast("Q")
    assert len(found) == 9 * 16 + 2
    assert [found[at] for at in (0, 1, 100)] == [crc64(content[: at * data.GRANULE]) for at in (0, 1, 100)]
    assert found[-1] == crc64(content)


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("there is no C compiler")
    try:
        started = Sink(tmp_path_factory.mktemp("sink"))
    except AbsentError as why:
        pytest.skip(str(why))
    yield started
    started.stop()


@pytest.fixture
def store(sink: Sink) -> S3Store:
    options = {"endpoint": sink.endpoint, "ca": sink.ca, "region": REGION}
    return open_s3("s3", "s3://bucket/here", {**options, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY})


def test_the_sink_looks_like_a_whole_store_to_the_probe(store: S3Store) -> None:
    found = store.capabilities()
    assert found.checks_crc
    assert found.conditional_complete
    assert found.copies_parts
    assert found.copy_tells_crc
    assert found.copy_checks_etag
    assert not found.equal_parts
    assert [each.key for each in store.list("")] == []


def test_the_sink_knows_a_copy_of_what_it_was_taught(sink: Sink, store: S3Store, tmp_path: Path) -> None:
    path, size = tmp_path / "disk", 40 * MIB + 123
    data.make_random(path, size)
    content = path.read_bytes()
    sink.teach("bucket", "here/base/disk", data.prefixes(path))
    base = _sent(store, "base/disk", content)
    upload = store.begin_upload("again/disk", metadata={})
    for number, (offset, length) in enumerate(((MIB, 20 * MIB), (21 * MIB, size - 21 * MIB)), start=1):
        right = crc64(content[offset : offset + length])
        source = CopySource(key="base/disk", offset=offset, length=length, etag=base)
        assert store.copy_part(upload, number, source, crc64=right).crc64 == right
    assert sorted(store.list_parts(upload)) == [1, 2]
    with pytest.raises(ChangedError):
        store.copy_part(upload, 3, CopySource(key="base/disk", offset=0, length=6 * MIB, etag=ETAG), crc64=0)
    with pytest.raises(MissingError):
        store.copy_part(upload, 3, CopySource(key="none", offset=0, length=6 * MIB, etag=ETAG), crc64=0)
    store.abort_upload(upload)


def test_the_sink_counts_what_comes_and_keeps_what_is_small(sink: Sink, store: S3Store) -> None:
    store.capabilities()
    before, asked = sink.wire()
    body = b"digests" * 1000
    store.put("small", body, crc64=crc64(body), metadata={})
    assert (sink.wire()[0] - before, sink.wire()[1] - asked) == (len(body), 1)
    assert store.get("small", 7, 7) == b"digests"
    assert store.head("small").crc64 == crc64(body)
    with pytest.raises(IntegrityError):
        store.put("small", body, crc64=crc64(body) ^ 1, metadata={})


def test_the_sink_takes_bodies_in_chunks(sink: Sink) -> None:
    before = sink.wire()[0]
    place = urlsplit(sink.endpoint)
    context = ssl.create_default_context(cafile=sink.ca)
    connection = HTTPSConnection(place.hostname or "", place.port, context=context, timeout=60)
    chunks, fields = iter([b"x" * 70_000, b"y"]), {"Transfer-Encoding": "chunked"}
    connection.request("PUT", "/bucket/chunked", chunks, fields, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 200
    answer.read()
    connection.request("HEAD", "/bucket/none")
    assert connection.getresponse().status == 404
    connection.close()
    assert sink.wire()[0] - before == 70_001 + 2 * 2


def _sent(store: S3Store, key: str, content: bytes) -> str:
    """Send it in parts; gives its etag."""
    upload, parts = store.begin_upload(key, metadata={}), []
    for number, offset in enumerate(range(0, len(content), 16 * MIB), start=1):
        body = bytearray(content[offset : offset + 16 * MIB])
        etag = store.put_part(upload, number, body, crc64=crc64(body))
        parts.append(PartDone(number=number, offset=offset, length=len(body), etag=etag, crc64=crc64(body)))
    return store.complete_upload(upload, parts, size=len(content), crc64=crc64(content), metadata={}).etag


@pytest.mark.slow
def test_a_small_run_measures_and_judges(sink: Sink, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cloudy alone, so that nothing is fetched; whether the aims are reached is nothing that a test may say."""
    words = ["--rows", "changed,unchanged,kill", "--clients=", "--places", "sink", "--scale", "0.02", "--times", "1"]
    assert bench.main([*words, "--folder", str(tmp_path), "--json", str(tmp_path / "found.json")]) in (0, 1)
    said = capsys.readouterr().out
    assert "| changed | sink | bytes sent against the changed |" in said
    assert "| kill | sink | sent again after SIGKILL |" in said
    assert (tmp_path / "found.json").stat().st_size > 1000
