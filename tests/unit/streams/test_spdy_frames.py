"""SPDY/3.1 frames: to bytes and back, and what hostile bytes come to."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrt.streams.spdy.dictionary import DICTIONARY
from pyrt.streams.spdy.errors import SpdyError
from pyrt.streams.spdy.frames import (
    MAX_CONTROL,
    MAX_ID,
    Data,
    Decoder,
    Encoder,
    GoAway,
    Headers,
    Ping,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)
from pyrt.streams.spdy.headers import MAX_BLOCK

ids = st.integers(1, MAX_ID)
numbers = st.integers(0, 2**32 - 1)
text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40)
names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
headers = st.dictionaries(names, text, max_size=8)
frames = st.one_of(
    st.builds(SynStream, ids, headers, st.booleans(), st.booleans()),
    st.builds(SynReply, ids, headers, st.booleans()),
    st.builds(Headers, ids, headers, st.booleans()),
    st.builds(RstStream, ids, numbers),
    st.builds(Ping, numbers),
    st.builds(GoAway, st.integers(0, MAX_ID), numbers),
    st.builds(WindowUpdate, st.integers(0, MAX_ID), st.integers(0, MAX_ID)),
    st.builds(Settings, st.lists(st.tuples(st.integers(0, 2**24 - 1), numbers), max_size=5).map(tuple)),
    st.builds(Data, ids, st.binary(max_size=200), st.booleans()),
)


def control(kind, payload, flags=0, version=3):
    return struct.pack(">II", 0x80000000 | version << 16 | kind, flags << 24 | len(payload)) + payload


def joined(decoded):
    """Pieces of a data frame put together again."""
    whole = []
    for frame in decoded:
        if whole and isinstance(frame, Data) and isinstance(whole[-1], list):
            whole[-1].append(frame)
        else:
            whole.append([frame] if isinstance(frame, Data) else frame)
    for index, part in enumerate(whole):
        if isinstance(part, list):
            whole[index] = (b"".join(p.data for p in part), {p.stream for p in part}, [p.fin for p in part].count(True))
    return whole


@settings(max_examples=200, deadline=None)
@given(st.lists(frames, max_size=12), st.integers(1, 64))
def test_what_is_sent_arrives_in_pieces_of_any_size(sent, size):
    encoder, decoder = Encoder(), Decoder()
    wire = b"".join(map(encoder.encode, sent))
    received = [frame for at in range(0, len(wire), size) for frame in decoder.feed(wire[at : at + size])]
    # An empty piece of data without an end means nothing; whether it shows up does not matter.
    meaning = [f for f in sent if not (isinstance(f, Data) and not f.data and not f.fin)]
    received = [f for f in received if not (isinstance(f, Data) and not f.data and not f.fin)]
    assert joined(received) == joined(meaning)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.builds(control, st.integers(0, 12), st.binary(max_size=40)), max_size=6))
def test_any_bytes_are_frames_or_an_error(pieces):
    decoder = Decoder()
    try:
        for piece in pieces:
            for _ in decoder.feed(piece):
                pass
    except SpdyError:
        pass


def test_the_dictionary_is_the_one_that_everybody_has():
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_the_compression_goes_on_from_frame_to_frame():
    encoder, decoder = Encoder(), Decoder()
    first, second = (encoder.encode(SynStream(n, {"streamtype": "stdin", "port": "80"})) for n in (1, 3))
    assert len(second) < len(first)
    assert [frame.headers for frame in decoder.feed(first + second)] == [{"streamtype": "stdin", "port": "80"}] * 2


def test_names_are_read_in_lower_case():
    wire = Encoder().encode(SynStream(1, {"StreamType": "error"}))
    assert next(Decoder().feed(wire)).headers == {"streamtype": "error"}


def test_unknown_frames_are_passed_over():
    wire = control(99, b"x" * 100000) + control(6, struct.pack(">I", 1))
    assert list(Decoder().feed(wire)) == [Ping(1)]


def test_a_data_frame_is_never_held():
    decoder = Decoder()
    assert list(decoder.feed(struct.pack(">II", 1, 1 << 24 | 2**24 - 1))) == []
    for _ in range(100):
        assert list(decoder.feed(b"x" * 1000)) == [Data(1, b"x" * 1000)]
    assert len(decoder._buffer) == 0


def packed(plain):
    packer = zlib.compressobj(zdict=DICTIONARY)
    return struct.pack(">IIH", 1, 0, 0) + packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH)


def block(*pairs, count=None):
    parts = [struct.pack(">I", len(pairs) if count is None else count)]
    for pair in pairs:
        parts += [struct.pack(">I", len(word)) + word for word in pair]
    return b"".join(parts)


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (control(1, packed(b"\0" * 10_000_000)), "more than 65536 bytes"),
        (control(1, packed(b"\0" * MAX_BLOCK)), "more than 65536 bytes"),
        (control(1, packed(block(count=2**31))), "headers; expected at most"),
        (control(1, packed(block((b"a", b"1"), (b"A", b"2")))), "twice"),
        (control(1, packed(block((b"", b"1")))), "without a name"),
        (control(1, packed(block((b"a", b"1"), count=2))), "cut short"),
        (control(1, packed(block((b"a", b"1"))[:-3] + b"\xff\xff\xff\xff")), "cut short"),
        (control(1, packed(block() + b"more")), "behind it"),
        (control(1, struct.pack(">IIH", 1, 0, 0) + b"nonsense"), "not zlib"),
        (control(1, struct.pack(">IIH", 0, 0, 0) + packed(block())[10:]), "number 0"),
        (control(1, b"\0\0"), "2 bytes|cut short"),
        (control(1, b"x" * (MAX_CONTROL + 1)), "expected at most 65536"),
        (control(3, b"\0\0\0\1"), "RST_STREAM frame of 4 bytes"),
        (control(4, struct.pack(">I", 2**32 - 1)), "4294967295 settings"),
        (control(6, b""), "PING frame of 0 bytes"),
        (control(6, b"\0\0\0\1", version=2), "version 2"),
        (struct.pack(">II", 0, 4) + b"data", "stream 0"),
    ],
)
def test_what_breaks_the_protocol(wire, why):
    with pytest.raises(SpdyError, match=why):
        list(Decoder().feed(wire))
