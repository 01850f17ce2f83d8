"""What `shoal logs` asks for and shows, without a cluster."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_cli.log_lines import LinePrefix, as_details, details_of
from shoal_cli.times import parse_nanoseconds
from shoal_common.containers.log_options import parse_log_options
from shoal_common.errors import InvalidSpec
from shoal_common.log_period import Period
from shoal_proto.v1.container_pb2 import Container, LogEntry, LogsResponse, LogStream

SECOND = 1_000_000_000
OUT, ERR = LogStream.LOG_STREAM_STDOUT, LogStream.LOG_STREAM_STDERR


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("10m", 1_893_456_000 * SECOND - 600 * SECOND),
        ("1h30m", 1_893_456_000 * SECOND - 5400 * SECOND),
        ("1500us", 1_893_456_000 * SECOND - 1_500_000),
        ("1893456000.000000001", 1_893_456_000 * SECOND + 1),
        ("2030-01-01T00:00:00.123456789Z", 1_893_456_000 * SECOND + 123_456_789),
        ("2030-01-01T00:00:00.1234567+01:00", 1_893_452_400 * SECOND + 123_456_700),
    ],
)
def test_times_have_nanoseconds(text: str, means: int) -> None:
    assert parse_nanoseconds(text, 1_893_456_000 * SECOND) == means


@pytest.mark.parametrize("text", ["", "soon", "1h 30m", "1969-12-31T00:00:00Z", "99999999999999", "5000000h"])
def test_what_no_time_is(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_nanoseconds(text, 1_893_456_000 * SECOND)


def entry(data: bytes, stream: LogStream = OUT, second: int = 0, nanos: int = 0) -> LogEntry:
    return LogEntry(data=data, stream=stream, time=Timestamp(seconds=second, nanos=nanos))


def test_each_line_has_one_time_and_its_details_before_it() -> None:
    prefix = LinePrefix(timestamps=True, details="a=b")
    batch = LogsResponse(
        entries=[entry(b"long, "), entry(b"err\n", ERR, 1, 5), entry(b"end\n"), entry(b"next\n", OUT, 2)]
    )
    prefix.apply(batch)
    assert [each.data for each in batch.entries] == [
        b"1970-01-01T00:00:00.000000000Z a=b long, ",
        b"1970-01-01T00:00:01.000000005Z a=b err\n",
        b"end\n",
        b"1970-01-01T00:00:02.000000000Z a=b next\n",
    ]


def test_lines_in_one_entry_have_it_each() -> None:
    prefix = LinePrefix(timestamps=False, details="x")
    batch = LogsResponse(entries=[entry(b"a\nb\nc"), entry(b"d\n\n")])
    prefix.apply(batch)
    assert b"".join(each.data for each in batch.entries) == b"x a\nx b\nx cd\nx \n"


def test_details_are_what_the_options_name() -> None:
    container = Container()
    config = container.spec.config
    config.labels.update({"tier": "front, back", "other": "x"})
    config.env.extend(["A=1=2", "B=3"])
    options = parse_log_options(["labels=tier,none", "env=A,C"])
    config.log.labels[:], config.log.env[:] = options.labels, options.env
    assert details_of(container) == "A=1%3D2,tier=front%2C+back"
    assert as_details({}) == ""
    # Docker leaves a blank where nothing is to be told.
    batch = LogsResponse(entries=[entry(b"line\n")])
    LinePrefix(timestamps=False, details="").apply(batch)
    assert batch.entries[0].data == b" line\n"


@pytest.mark.parametrize(
    "text", ["", "labels", "labels=", "labels=a,,b", "env=A=B", "env=A B", "mode=non-blocking", "labels=" + "a," * 65]
)
def test_options_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidSpec, match=r"^log option .* \(.*\)$"):
        parse_log_options([text])


def test_a_period_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    period = Period(since=5, until=7)
    response = LogsResponse(entries=[entry(b"%d" % nanos, nanos=nanos) for nanos in range(3, 9)])
    period.restrict(response)
    assert [each.data for each in response.entries] == [b"5", b"6"]
