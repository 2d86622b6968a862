"""The log reader: tails, times, streams, rotation."""

import asyncio
import gzip

import pytest

from pyrt.streams.logformat import LogFormatter, LogOptions, parse_time, since_offset, tail_offset
from pyrt.streams.logs import read_log, segments


def record(second, text, stream="stdout", tag="F"):
    return f"2026-11-23T10:00:{second:02}.000000000Z {stream} {tag} {text}\n"


def stamp(second):
    return parse_time(f"2026-11-23T10:00:{second:02}Z".encode())


@pytest.fixture
def log(tmp_path):
    return tmp_path / "0.log"


async def text_of(log, **options):
    stopped = asyncio.Event()
    stopped.set()
    return b"".join([piece async for piece in read_log(log, LogOptions(**options), stopped)]).decode()


async def test_the_whole_log_without_its_prefixes(log):
    log.write_text(record(1, "one") + record(2, "two", "stderr"))
    assert await text_of(log) == "one\ntwo\n"


async def test_pieces_of_a_line_are_joined(log):
    log.write_text(record(1, "one ", tag="P") + record(1, "line") + record(2, ""))
    assert await text_of(log) == "one line\n\n"
    assert await text_of(log, timestamps=True) == (
        "2026-11-23T10:00:01.000000000Z one line\n2026-11-23T10:00:02.000000000Z \n"
    )


@pytest.mark.parametrize(
    ("tail", "expected"), [(0, ""), (1, "d\n"), (2, "bc\nd\n"), (3, "a\nbc\nd\n"), (9, "a\nbc\nd\n")]
)
@pytest.mark.parametrize("follow", [False, True])
async def test_tail_counts_lines_not_records(log, tail, expected, follow):
    log.write_text(record(1, "a") + record(2, "b", tag="P") + record(3, "c") + record(4, "d"))
    assert await text_of(log, tail=tail, follow=follow) == expected


async def test_tail_reaches_into_rotated_files(log):
    (log.parent / "0.log.20261123-100000.gz").write_bytes(gzip.compress((record(1, "a") + record(2, "b")).encode()))
    (log.parent / "0.log.20261123-100005").write_text(record(3, "c"))
    log.write_text(record(4, "d"))
    assert await text_of(log) == "a\nb\nc\nd\n"
    assert await text_of(log, tail=1) == "d\n"
    assert await text_of(log, tail=3) == "b\nc\nd\n"
    assert await text_of(log, tail=3, follow=True) == "b\nc\nd\n"


async def test_another_instance_is_another_log(tmp_path):
    (tmp_path / "1.log").write_text(record(1, "one"))
    (tmp_path / "10.log").write_text(record(1, "ten"))
    assert await text_of(tmp_path / "1.log") == "one\n"


async def test_since(log):
    log.write_text("".join(record(second, f"line {second}") for second in range(60)))
    assert await text_of(log, since=stamp(57)) == "line 57\nline 58\nline 59\n"
    assert await text_of(log, since=stamp(10), tail=1) == "line 59\n"
    assert await text_of(log, since=stamp(58), tail=5) == "line 58\nline 59\n"
    assert await text_of(log, since=stamp(59) + 1) == ""
    assert await text_of(log, since=0) == "".join(f"line {second}\n" for second in range(60))


async def test_one_stream_only(log):
    log.write_text(record(1, "o") + record(2, "e", "stderr") + record(3, "p"))
    assert await text_of(log, streams=frozenset((b"stderr",))) == "e\n"
    assert await text_of(log, streams=frozenset((b"stdout",)), tail=2) == "o\np\n"


async def test_limit_bytes_cuts_inside_a_line(log):
    log.write_text(record(1, "hello") + record(2, "world"))
    assert await text_of(log, limit_bytes=8) == "hello\nwo"


async def test_no_log_yet_is_an_empty_log(log):
    assert await text_of(log) == ""


async def test_a_torn_record_is_shown(log):
    log.write_text("garbage\n" + record(1, "x"))
    assert await text_of(log) == "garbage\nx\n"


class Follower:
    def __init__(self, log, **options):
        self.stopped = asyncio.Event()
        self.seen = ""
        self.grown = asyncio.Event()
        self.task = asyncio.create_task(self._run(log, LogOptions(follow=True, **options)))

    async def _run(self, log, options):
        async for piece in read_log(log, options, self.stopped):
            self.seen += piece.decode()
            self.grown.set()

    async def until(self, ending):
        async with asyncio.timeout(10):
            while not self.seen.endswith(ending):
                self.grown.clear()
                await self.grown.wait()


async def test_follow_goes_on_across_rotation_and_ends_with_the_container(log):
    log.write_text(record(1, "one"))
    follower = Follower(log)
    await follower.until("one\n")
    with log.open("a") as writer:
        writer.write(record(2, "two"))
        writer.flush()
        await follower.until("two\n")
        log.rename(log.parent / "0.log.20261123-100002")
        writer.write(record(3, "three"))
    log.write_text(record(4, "four"))
    await follower.until("four\n")
    with log.open("a") as writer:
        writer.write(record(5, "five"))
    follower.stopped.set()
    await follower.task
    assert follower.seen == "one\ntwo\nthree\nfour\nfive\n"


async def test_follow_catches_up_with_several_rotations_at_once(log):
    log.write_text(record(1, "one"))
    follower = Follower(log)
    await follower.until("one\n")
    for number in range(2, 6):
        log.rename(log.parent / f"0.log.{number}")
        log.write_text(record(number, f"n{number}"))
    await follower.until("n5\n")
    follower.stopped.set()
    await follower.task
    assert follower.seen == "one\nn2\nn3\nn4\nn5\n"


async def test_follow_waits_for_a_log_that_is_not_there_yet(log):
    follower = Follower(log)
    await asyncio.sleep(0)
    log.write_text(record(1, "late"))
    await follower.until("late\n")
    follower.stopped.set()
    await follower.task


async def test_a_half_written_record_waits_for_its_end(log):
    log.write_text(record(1, "one") + record(2, "two")[:20])
    follower = Follower(log)
    await follower.until("one\n")
    with log.open("a") as writer:
        writer.write(record(2, "two")[20:])
    await follower.until("two\n")
    follower.stopped.set()
    await follower.task
    assert follower.seen == "one\ntwo\n"


def reader(data):
    return lambda size, offset: data[offset : offset + size]


def test_offsets_in_a_file_of_many_blocks():
    lines = [record(n % 60, f"{n} " + "x" * 900) for n in range(60)] + [record(59, "y" * 200_000)]
    data = "".join(lines).encode()
    for want in range(1, 61):
        offset, found = tail_offset(reader(data), len(data), want, LogOptions().streams)
        assert found == want
        assert data[offset:].count(b"\n") == want
    assert tail_offset(reader(data), len(data), 100, LogOptions().streams) == (0, 61)
    for second in range(59):
        offset = since_offset(reader(data), len(data), stamp(second))
        assert data[offset:].startswith(record(second, f"{second} ").encode()[:-1])


def test_the_formatter_does_not_mind_where_data_is_cut():
    data = "".join(record(n, f"line {n}", tag="P" if n % 3 == 0 else "F") for n in range(20)).encode()
    whole = LogFormatter(LogOptions(timestamps=True)).feed(data)
    by_byte = LogFormatter(LogOptions(timestamps=True))
    assert b"".join(by_byte.feed(data[n : n + 1]) for n in range(len(data))) == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:01.000000001+01:00", 1_000_000_001),
    ],
)
def test_times(text, expected):
    assert parse_time(text.encode()) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-23T10:00:00", "2026-11-23 10:00:00Z"])
def test_bad_times(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_time(text.encode())


def test_segments_are_in_order(log):
    for name in ("0.log.20261123-100000.gz", "0.log.20261123-100001", "0.log", "0.logx", "1.log"):
        (log.parent / name).write_text("")
    assert [segment.path.name for segment in segments(log)] == [
        "0.log.20261123-100000.gz",
        "0.log.20261123-100001",
        "0.log",
    ]
