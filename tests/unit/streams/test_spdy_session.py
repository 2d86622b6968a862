"""A session as bytes in, events out: two of them talk to each other without a socket."""

import pytest

from pyrt.streams.spdy.errors import SpdyError
from pyrt.streams.spdy.frames import (
    INITIAL_WINDOW_SIZE,
    MAX_ID,
    Data,
    Decoder,
    Encoder,
    GoAway,
    Ping,
    ResetStatus,
    RstStream,
    Settings,
    SynStream,
    WindowUpdate,
)
from pyrt.streams.spdy.session import (
    WINDOW,
    Accepted,
    Finished,
    Opened,
    PeerLeaves,
    Received,
    Session,
    WasReset,
    WindowsGrew,
)


class Peer:
    """A client that sends what the test says, and the server's answers as frames."""

    def __init__(self, **limits):
        self.server = Session(**limits)
        self._encoder = Encoder()
        self._decoder = Decoder()

    def send(self, *frames):
        return [event for frame in frames for event in self.server.receive(self._encoder.encode(frame))]

    def answers(self):
        return list(self._decoder.feed(self.server.outgoing()))


def test_a_stream_from_beginning_to_end():
    client, server = Session(server=False), Session()
    number = client.open({"streamtype": "stdin"})
    assert list(server.receive(client.outgoing())) == [Opened(1, {"streamtype": "stdin"})]
    server.reply(number)
    server.send(number, b"hello")
    assert list(client.receive(server.outgoing())) == [Accepted(1), Received(1, b"hello")]
    client.send(number, b"world")
    client.finish(number)
    assert list(server.receive(client.outgoing())) == [Received(1, b"world"), Finished(1)]
    assert server.streams == (1,)
    server.finish(number)
    assert list(client.receive(server.outgoing())) == [Finished(1)]
    assert (server.streams, client.streams) == ((), ())


def test_a_stream_that_is_given_up():
    peer = Peer()
    peer.send(SynStream(1))
    assert peer.send(RstStream(1, ResetStatus.CANCEL)) == [WasReset(1)]
    assert peer.send(Data(1, b"late"), RstStream(1, 5)) == []
    peer.server.send(1, b"too late")
    peer.server.finish(1)
    peer.server.reset(1)
    assert peer.answers() == []


def test_numbers_go_up_and_are_odd():
    peer = Peer()
    peer.send(SynStream(5))
    assert peer.send(SynStream(3), SynStream(5), SynStream(8)) == []
    assert peer.answers() == [RstStream(n, ResetStatus.PROTOCOL_ERROR) for n in (3, 5, 8)]


def test_more_streams_than_allowed_are_refused():
    peer = Peer(max_streams=2)
    assert len(peer.send(*(SynStream(n) for n in (1, 3, 5)))) == 2
    assert peer.answers() == [RstStream(5, ResetStatus.REFUSED_STREAM)]
    peer.send(RstStream(1, 5))
    assert peer.send(SynStream(7)) == [Opened(7, {})]


def test_pings_come_back():
    peer = Peer()
    peer.send(Ping(7), Ping(8))
    assert peer.answers() == [Ping(7)]  # 8 would be one of ours


def test_a_peer_without_windows_is_sent_everything():
    peer = Peer()
    peer.send(SynStream(1))
    assert peer.server.may_send(1) == MAX_ID
    peer.server.send(1, b"x" * 10 * WINDOW)
    assert peer.server.may_send(1) == MAX_ID


def test_a_peer_with_windows_is_sent_what_it_takes():
    peer = Peer()
    assert peer.send(SynStream(1), SynStream(3), Settings(((INITIAL_WINDOW_SIZE, 100),)))[-1] == WindowsGrew()
    assert peer.server.may_send(1) == 100
    peer.server.send(1, b"x" * 100)
    assert (peer.server.may_send(1), peer.server.may_send(3)) == (0, 100)
    peer.send(WindowUpdate(1, 50))
    assert peer.server.may_send(1) == 50
    peer.send(WindowUpdate(1, MAX_ID), WindowUpdate(1, MAX_ID))
    assert peer.server.may_send(1) == WINDOW - 100  # the session's own window
    peer.send(WindowUpdate(0, 100))
    assert peer.server.may_send(1) == WINDOW


def test_what_is_taken_is_acknowledged():
    peer = Peer()
    peer.send(SynStream(1))
    assert not peer.server.taken(1, WINDOW // 2 - 1)
    assert peer.server.taken(1, 1)
    assert peer.answers() == [WindowUpdate(0, WINDOW // 2), WindowUpdate(1, WINDOW // 2)]


def test_data_that_nobody_takes_does_not_close_the_session_window():
    peer = Peer()
    peer.send(Data(9, b"x" * (WINDOW // 2)))
    assert peer.answers() == [WindowUpdate(0, WINDOW // 2)]


def test_leaving():
    peer = Peer()
    peer.send(SynStream(1))
    peer.server.leave()
    peer.server.leave()
    assert peer.answers() == [GoAway(1, 0)]
    assert peer.send(SynStream(3)) == []
    assert peer.answers() == [RstStream(3, ResetStatus.REFUSED_STREAM)]
    assert peer.send(GoAway(0, 0)) == [PeerLeaves()]


def test_nonsense_ends_it():
    with pytest.raises(SpdyError):
        list(Session().receive(b"\x80\x02GET / HTTP/1.1\r\n\r\n"))
