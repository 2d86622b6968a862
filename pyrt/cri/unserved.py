"""Methods that a runtime may leave out, and why we do; docs/cri.md says the same."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import Message
from grpc import StatusCode

from pyrt.cri.errors import CriError
from pyrt.cri.services import Handlers, Unary

REASONS: Final = {
    "CheckpointContainer": "pyrt cannot freeze a container into files yet (criu)",
    "CheckpointPod": "pyrt cannot freeze a pod into files yet (criu)",
    "RestorePod": "pyrt makes no checkpoints, so there are none to come back from (criu)",
}


def unserved() -> Handlers:
    """By method: the status code by which a kubelet knows to do without, with the reason for people."""
    return {name: _refusal(reason) for name, reason in REASONS.items()}


def _refusal(reason: str) -> Unary:
    async def refuse(request: Any) -> Message:
        raise CriError(reason, code=StatusCode.UNIMPLEMENTED)

    return refuse
