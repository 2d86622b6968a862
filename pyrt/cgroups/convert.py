"""Conversions between the figures of the two cgroup generations (pure)."""

from __future__ import annotations

import math

MIN_SHARES, MAX_SHARES = 2, 262144


def weight_of_shares(shares: int) -> int:
    """``cpu.weight`` (1..10000) for v1 ``cpu.shares`` (2..262144).

    The curve goes through (2, 1), (1024, 100) and (262144, 10000), so that the default of one generation is the
    default of the other; it is the one of runc 1.3 and the kubelet (KEP-2254), which replaced a linear map that gave
    39 for 1024.
    """
    if shares <= MIN_SHARES:
        return 1
    if shares >= MAX_SHARES:
        return 10000
    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def blkio_weight_v2(weight: int) -> int:
    """``io.weight`` (1..10000) for v1 ``blkio.weight`` (10..1000), linear as in runc."""
    return 1 + (weight - 10) * 9999 // 990


def swap_v2(limit: int | None, total: int) -> int | None:
    """``memory.swap.max`` for OCI's ``memory.swap``, which counts memory and swap together; -1 is unlimited.

    ``None`` when nothing need be written. A total without a memory limit has no meaning on v2.
    """
    if total < 0:
        return -1
    if limit is None or limit < 0:
        return None
    return max(0, total - limit)
