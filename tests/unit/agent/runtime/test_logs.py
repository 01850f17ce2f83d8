import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.logs import lines_of
from shoal_agent.runtime.log_files import segment_path
from shoal_agent.runtime.log_format import parse_line, parse_records
from shoal_agent.runtime.log_tail import end_of, first_since, tail
from shoal_agent.runtime.logs import read_attempt
from shoal_common.log_period import Period
from shoal_proto.v1.container_pb2 import LogCursor, LogEntry, LogsResponse, LogStream

OUT, ERR = LogStream.LOG_STREAM_STDOUT, LogStream.LOG_STREAM_STDERR
TIME = b"2026-11-24T17:10:15.204216123+00:00"


def record(content: bytes, stream: bytes = b"stdout", tag: bytes = b"F", time: bytes = TIME) -> bytes:
    return b" ".join((time, stream, tag, content)) + b"\n"


def at(second: int) -> bytes:
    """A time that is so many seconds after 1970."""
    return f"1970-01-01T00:{second // 60:02}:{second % 60:02}.000000000Z".encode()


def period(since: int | None, until: int | None) -> Period:
    return Period(*(None if second is None else second * 1_000_000_000 for second in (since, until)))


def written(pieces: list[tuple[bool, bytes]]) -> bytes:
    """What conmon makes of pieces that it read, each from stderr or stdout."""
    lines = []
    for is_error, piece in pieces:
        stream = b"stderr" if is_error else b"stdout"
        *whole, rest = piece.split(b"\n")
        lines += [record(line, stream) for line in whole]
        if rest:
            lines.append(record(rest, stream, b"P"))
    return b"".join(lines)


async def read_all(directory: Path, cursor: LogCursor | None = None) -> tuple[list[LogEntry], list[LogCursor]]:
    entries: list[LogEntry] = []
    cursors: list[LogCursor] = []
    ended = asyncio.Event()
    async for batch in read_attempt(directory, generation=1, attempt=1, cursor=cursor, follow=False, ended=ended):
        entries += batch.entries
        cursors.append(batch.cursor)
    return entries, cursors


def last(directory: Path, attempt: int) -> LogCursor:
    return end_of(directory, generation=1, attempt=attempt)


def joined(entries: list[LogEntry], stream: int) -> bytes:
    return b"".join(entry.data for entry in entries if entry.stream == stream)


def test_a_line_is_taken_apart() -> None:
    entry = parse_line(record(b"a  b \xff\x00")[:-1])
    assert entry is not None
    assert (entry.stream, entry.data, entry.time.seconds, entry.time.nanos) == (
        OUT,
        b"a  b \xff\x00\n",
        1795540215,
        204216123,
    )
    partial = parse_line(record(b"", b"stderr", b"P")[:-1])
    assert partial is not None
    assert (partial.stream, partial.data) == (ERR, b"")
    for damaged in (b"", b"x", TIME + b" stdout F", b"x stdout F y", TIME + b" stdin F y", TIME + b" stdout X y"):
        assert parse_line(damaged) is None


@given(
    lines=st.lists(
        st.tuples(st.sampled_from([0, 1]), st.booleans(), st.booleans(), st.binary(max_size=5)), max_size=20
    ),
    damaged=st.sets(st.integers(0, 20)),
)
def test_joined_entries_say_the_same(lines: list[tuple[int, bool, bool, bytes]], damaged: set[int]) -> None:
    """Whatever is recorded, damage included, and however often the time and the stream change."""
    data = b""
    for number, (second, is_error, whole, content) in enumerate(lines):
        stream, tag = b"stderr" if is_error else b"stdout", b"F" if whole else b"P"
        data += record(content.replace(b"\n", b""), stream, tag, at(second))[5 if number in damaged else 0 :]
    apart, joined = parse_records(data, joined=False), parse_records(data, joined=True)

    def said(entries: list[LogEntry]) -> list[tuple[int, int, bytes]]:
        return [(entry.time.seconds, entry.stream, line) for entry in entries for line in lines_of(entry.data) or [b""]]

    def merged(found: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
        result: list[tuple[int, int, bytes]] = []
        for second, stream, line in found:
            if result and result[-1][:2] == (second, stream):
                result[-1] = (second, stream, result[-1][2] + line)
            else:
                result.append((second, stream, line))
        return result

    assert merged(said(joined)) == merged(said(apart))
    assert len(joined) <= len(apart)


pieces = st.lists(st.tuples(st.booleans(), st.binary(max_size=40) | st.just(b"\n") | st.just(b"line\n")), max_size=30)


@given(pieces=pieces)
async def test_every_byte_is_read_once_and_apart(
    pieces: list[tuple[bool, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("logs")
    segment_path(directory, 1, 0).write_bytes(written(pieces))
    entries, _ = await read_all(directory)
    assert joined(entries, OUT) == b"".join(piece for is_error, piece in pieces if not is_error)
    assert joined(entries, ERR) == b"".join(piece for is_error, piece in pieces if is_error)


@given(count=st.integers(0, 60), wanted=st.integers(0, 70), width=st.integers(0, 5000), cut=st.integers(0, 60))
async def test_tail_is_the_end_of_what_is_read_from_the_beginning(
    count: int, wanted: int, width: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("logs")
    lines = [record(b"%d " % number + b"x" * width) for number in range(count)]
    segment_path(directory, 1, 0).write_bytes(b"".join(lines[:cut]))
    if cut < count:
        segment_path(directory, 1, 1).write_bytes(b"".join(lines[cut:]))
    whole, _ = await read_all(directory)
    assert len(whole) == count
    some, _ = await read_all(directory, tail(directory, attempts=[1], end=last(directory, 1), lines=wanted))
    assert some == whole[max(0, count - wanted) :]


async def test_tail_counts_a_line_in_pieces_once(tmp_path: Path) -> None:
    data = record(b"one") + record(b"two-a", tag=b"P") + record(b"two-b", tag=b"P") + record(b"two-c")
    segment_path(tmp_path, 1, 0).write_bytes(data + record(b"open", tag=b"P") + TIME)
    for wanted, expected in ((0, b""), (1, b"open"), (2, b"two-atwo-btwo-c\nopen"), (9, b"one\ntwo-atwo-btwo-c\nopen")):
        entries, _ = await read_all(tmp_path, tail(tmp_path, attempts=[1], end=last(tmp_path, 1), lines=wanted))
        assert joined(entries, OUT) == expected


async def test_batches_are_bounded_and_any_cursor_resumes(tmp_path: Path) -> None:
    data = b"".join(record(b"%d" % number) for number in range(5000))
    middle = data.index(b"\n", 100_000) + 1
    segment_path(tmp_path, 1, 0).write_bytes(data[:middle])
    segment_path(tmp_path, 1, 1).write_bytes(data[middle:])
    entries, cursors = await read_all(tmp_path)
    assert [entry.data for entry in entries] == [b"%d\n" % number for number in range(5000)]
    assert len(cursors) > 3
    for cursor in cursors:
        rest, _ = await read_all(tmp_path, cursor)
        assert rest == entries[len(entries) - len(rest) :]
    assert (await read_all(tmp_path, cursors[-1])) == ([], [])


async def test_a_line_longer_than_a_batch_is_whole(tmp_path: Path) -> None:
    segment_path(tmp_path, 1, 0).write_bytes(record(b"x" * 200_000) + record(b"y"))
    entries, _ = await read_all(tmp_path)
    assert [len(entry.data) for entry in entries] == [200_001, 2]


async def test_following_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ended, got = asyncio.Event(), asyncio.Queue[bytes]()

    async def follow() -> None:
        stream = read_attempt(tmp_path / "l", generation=1, attempt=1, cursor=None, follow=True, ended=ended)
        async for batch in stream:
            for entry in batch.entries:
                got.put_nowait(entry.data)

    (tmp_path / "l").mkdir()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(follow())
        await asyncio.sleep(0)
        with segment_path(tmp_path / "l", 1, 0).open("ab", buffering=0) as file:
            file.write(record(b"a")[:10])
            file.write(record(b"a")[10:])
            assert await got.get() == b"a\n"
            file.write(record(b"b") + record(b"c"))
            assert [await got.get(), await got.get()] == [b"b\n", b"c\n"]
        with segment_path(tmp_path / "l", 1, 1).open("ab", buffering=0) as file:
            file.write(record(b"d"))
            assert await got.get() == b"d\n"
            file.write(record(b"e"))
            ended.set()
    assert got.get_nowait() == b"e\n"
    assert got.empty()


async def test_following_what_is_removed_does_not_bring_it_back(tmp_path: Path) -> None:
    ended = asyncio.Event()
    gone = tmp_path / "container" / "1" / "logs"

    async def follow() -> list[LogsResponse]:
        stream = read_attempt(gone, generation=1, attempt=1, cursor=None, follow=True, ended=ended)
        return [batch async for batch in stream]

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        await asyncio.sleep(0.01)
        assert not following.done()
        ended.set()
    assert following.result() == []
    assert list(tmp_path.iterdir()) == []


async def test_a_cursor_of_another_attempt_means_the_beginning(tmp_path: Path) -> None:
    segment_path(tmp_path, 1, 0).write_bytes(record(b"a"))
    entries, _ = await read_all(tmp_path, LogCursor(generation=1, attempt=2, offset=7))
    assert joined(entries, OUT) == b"a\n"


async def read_period(directory: Path, attempts: list[int], wanted: Period, cursor: LogCursor | None) -> list[bytes]:
    """What is read of some attempts from a place on."""
    found: list[bytes] = []
    ended = asyncio.Event()
    for attempt in attempts:
        if cursor is None or attempt >= cursor.attempt:
            async for batch in read_attempt(
                directory, generation=1, attempt=attempt, cursor=cursor, follow=False, ended=ended, period=wanted
            ):
                found += [entry.data for entry in batch.entries]
    return found


@given(
    sizes=st.lists(st.lists(st.integers(0, 6), max_size=3), min_size=1, max_size=4),
    lines=st.none() | st.integers(0, 30),
    since=st.none() | st.integers(0, 40),
    until=st.none() | st.integers(0, 40),
)
async def test_what_is_asked_for_is_the_end_of_what_was_written_then_over_all_attempts(
    sizes: list[list[int]],
    lines: int | None,
    since: int | None,
    until: int | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Attempts of some files each, with a line a second; however many lines each file has."""
    directory = tmp_path_factory.mktemp("logs")
    second = 0
    for attempt, files in enumerate(sizes, 1):
        for segment, count in enumerate(files):
            data = b"".join(record(b"%d" % number, time=at(number)) for number in range(second, second + count))
            segment_path(directory, attempt, segment).write_bytes(data)
            second += count
    attempts, wanted = list(range(1, len(sizes) + 1)), period(since, until)
    if lines is None:
        cursor = first_since(directory, generation=1, attempts=attempts, period=wanted)
    else:
        cursor = tail(directory, attempts=attempts, end=last(directory, attempts[-1]), lines=lines, period=wanted)
    before = [number for number in range(second) if until is None or number < until]
    chosen = before if lines is None else before[max(0, len(before) - lines) :]
    expected = [b"%d\n" % number for number in chosen if since is None or number >= since]
    assert await read_period(directory, attempts, wanted, cursor) == expected


async def test_a_line_that_an_attempt_did_not_end_is_not_joined_to_the_next_ones(tmp_path: Path) -> None:
    segment_path(tmp_path, 1, 0).write_bytes(record(b"one") + record(b"cut", tag=b"P"))
    segment_path(tmp_path, 2, 0).write_bytes(record(b"two"))
    for lines, expected in ((1, b"two\n"), (2, b"cuttwo\n"), (3, b"one\ncuttwo\n")):
        cursor = tail(tmp_path, attempts=[1, 2], end=last(tmp_path, 2), lines=lines)
        assert b"".join(await read_period(tmp_path, [1, 2], period(None, None), cursor)) == expected


def test_the_end_of_what_attempts_wrote_is_in_the_newest(tmp_path: Path) -> None:
    segment_path(tmp_path, 1, 0).write_bytes(record(b"one"))
    assert last(tmp_path, 2) == LogCursor(generation=1, attempt=2)
    assert tail(tmp_path, attempts=[1, 2], end=last(tmp_path, 2), lines=0) == LogCursor(generation=1, attempt=2)


async def test_what_comes_after_the_end_is_not_read(tmp_path: Path) -> None:
    """Who writes faster than is read does not keep a reader for ever."""
    segment_path(tmp_path, 1, 0).write_bytes(record(b"1") + record(b"2"))
    segment_path(tmp_path, 1, 1).write_bytes(record(b"3") + record(b"4", tag=b"P") + TIME)
    end = last(tmp_path, 1)
    with segment_path(tmp_path, 1, 1).open("ab") as file:
        file.write(b" stdout F five\n" + record(b"6"))
    segment_path(tmp_path, 1, 2).write_bytes(record(b"7"))
    for lines, expected in ((1, b"4"), (2, b"3\n4"), (9, b"1\n2\n3\n4")):
        cursor = tail(tmp_path, attempts=[1], end=end, lines=lines)
        stream = read_attempt(
            tmp_path, generation=1, attempt=1, cursor=cursor, follow=False, ended=asyncio.Event(), end=end
        )
        assert b"".join([entry.data async for batch in stream for entry in batch.entries]) == expected
