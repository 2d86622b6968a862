from __future__ import annotations

import pytest

from pyrt.kube.times import from_text, to_micro_text, to_text

MOMENT = 1_795_460_073_123_456_789


def test_texts() -> None:
    assert to_text(MOMENT) == "2026-11-23T18:54:33Z"
    assert to_micro_text(MOMENT) == "2026-11-23T18:54:33.123456Z"
    assert to_text(0) == "1970-01-01T00:00:00Z"


def test_reading() -> None:
    assert from_text("2026-11-23T18:54:33Z") == 1_795_460_073 * 10**9
    assert from_text("2026-11-23T19:54:33.5+01:00") == 1_795_460_073_500_000_000
    assert from_text(to_micro_text(MOMENT)) == MOMENT // 1000 * 1000


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-23T18:54:33"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        from_text(text)
