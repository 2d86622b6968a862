"""Tokens of the streaming server, and how much of a command's output an answer holds."""

import pytest
from grpc import StatusCode

from pyrt.cri.errors import CriError
from pyrt.cri.exec import fitting
from pyrt.cri.streaming.tokens import LIFETIME, MAX_WAITING, Tokens


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_a_token_is_good_once():
    tokens = Tokens()
    first, second = tokens.keep("one"), tokens.keep("two")
    assert first != second
    assert len(first) * 6 >= 128
    assert tokens.take(first) == "one"
    assert tokens.take(first) is None
    assert tokens.take("") is None
    assert tokens.take(second) == "two"


def test_a_token_grows_old():
    clock = Clock()
    tokens = Tokens(clock)
    token, late = tokens.keep("one"), tokens.keep("two")
    clock.now += LIFETIME - 1
    assert tokens.take(token) == "one"
    clock.now += 1
    assert tokens.take(late) is None


def test_too_many_wait():
    clock = Clock()
    tokens = Tokens(clock)
    kept = [tokens.keep(number) for number in range(MAX_WAITING)]
    with pytest.raises(CriError) as caught:
        tokens.keep("one more")
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED
    assert tokens.take(kept[500]) == 500
    tokens.keep("one more")
    clock.now += LIFETIME
    for number in range(MAX_WAITING):
        tokens.keep(number)


@pytest.mark.parametrize(
    ("out", "err", "fits"),
    [
        (3, 3, (3, 3)),
        (10, 0, (10, 0)),
        (20, 0, (10, 0)),
        (0, 20, (0, 10)),
        (20, 20, (5, 5)),
        (8, 20, (5, 5)),
        (2, 20, (2, 8)),
    ],
)
def test_what_an_answer_holds(out, err, fits):
    assert tuple(map(len, fitting(b"o" * out, b"e" * err, 10))) == fits
