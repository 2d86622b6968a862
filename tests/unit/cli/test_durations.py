from __future__ import annotations

import pytest

from pyrt.cli.durations import age, human, parse, timestamp
from pyrt.cli.failure import CliError


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (1.9, "1s"), (119, "119s"), (120, "2m"), (123, "2m3s"),
        (599, "9m59s"),
        (600, "10m"), (10799, "179m"), (10800, "3h"), (11160, "3h6m"), (28799, "7h59m"), (28800, "8h"),
        (172799, "47h"), (172800, "2d"), (180000, "2d2h"), (691199, "7d23h"), (691200, "8d"),
        (2 * 31536000 - 1, "729d"), (2 * 31536000, "2y"), (3 * 31536000 + 86400, "3y1d"), (9 * 31536000, "9y"),
    ],
)  # fmt: skip
def test_ages_as_kubectl_writes_them(seconds: float, text: str) -> None:
    assert human(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1h30m", 5400), ("1.5s", 1.5), ("0", 0), ("-1s", -1), ("100ms", 0.1), ("0s", 0)]
)
def test_durations_as_go_reads_them(text: str, seconds: float) -> None:
    assert parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1s2", "one minute"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(CliError, match="invalid duration"):
        parse(text)


def test_timestamps() -> None:
    assert timestamp("1970-01-01T00:01:00Z") == 60
    assert timestamp("1970-01-01T00:01:00.123456789Z") == pytest.approx(60.123456)
    assert timestamp("1970-01-01T01:01:00+01:00") == 60
    assert timestamp("") is None
    assert age("1970-01-01T00:00:00Z", now=75) == "75s"
    assert age(None) == "<unknown>"
    with pytest.raises(CliError):
        timestamp("yesterday")
