"""Figures of one cgroup generation in the other's terms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrt.cgroups.convert import blkio_weight_v2, swap_v2, weight_of_shares


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(0, 1), (2, 1), (102, 17), (256, 35), (512, 59), (1024, 100), (2048, 174), (262144, 10000), (10**9, 10000)],
)
def test_weight(shares: int, weight: int) -> None:
    assert weight_of_shares(shares) == weight


@given(st.integers(2, 262143))
def test_more_shares_never_weigh_less(shares: int) -> None:
    assert 1 <= weight_of_shares(shares) <= weight_of_shares(shares + 1) <= 10000


@pytest.mark.parametrize(("weight", "expected"), [(10, 1), (500, 4950), (1000, 10000)])
def test_io_weight(weight: int, expected: int) -> None:
    assert blkio_weight_v2(weight) == expected


@pytest.mark.parametrize(
    ("limit", "total", "expected"), [(100, 100, 0), (100, 150, 50), (100, -1, -1), (None, 100, None), (100, 50, 0)]
)
def test_swap_counts_memory_on_v1_only(limit: int | None, total: int, expected: int | None) -> None:
    assert swap_v2(limit, total) == expected
