"""Which players can play a plan: daemons are upgraded, and the pod processes of the pods that run are not.

An operation never changes what it means or takes; a new one has a new code and a new version. So a player takes every
plan that has no operation younger than itself.
"""

from __future__ import annotations

import struct

from pyrt.launch.encoding import HEADER
from pyrt.launch.operations import OPERATIONS, Operation

VERSION = 3
"""PLAN_VERSION of native/plan_ops.h."""

_RECORD = struct.Struct("=II")


def younger_than(version: int, plan: bytes) -> type[Operation] | None:
    """The first operation of an encoded plan that a player of this version does not know; ``None`` if it knows all."""
    at = HEADER.size
    while at < len(plan):
        code, length = _RECORD.unpack_from(plan, at)
        kind = OPERATIONS[code]
        if version < kind.SINCE:
            return kind
        at += length
    return None
