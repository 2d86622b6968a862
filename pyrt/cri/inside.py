"""The verbose part of a status: what no field is for, as JSON, for people and for ``crictl inspect``.

The words are containerd's, since tools look for them: ``info`` holds ``pid``, ``config``, ``runtimeSpec``.
"""

from __future__ import annotations

from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from pyrt.cri.asked import container_config, sandbox_request
from pyrt.runtime.status import ContainerStatus, SandboxState, SandboxStatus
from pyrt.spec import Config


def sandbox_info(status: SandboxStatus, network: dict[str, Any] | None = None) -> dict[str, str]:
    """Of PodSandboxStatus. ``network``: what there is to say of one that CNI plugins have made."""
    request = sandbox_request(status)
    ready = status.state is SandboxState.READY
    return _info(
        {
            "pid": status.pid,
            "processStatus": "running" if ready else "deleted",
            "netNamespaceClosed": not ready,
            "runtimeHandler": request.runtime_handler,
            "runtimeType": "pyrt",
            "config": _as_dict(request.config),
            **(network or {}),
        }
    )


def container_info(status: ContainerStatus, spec: Config | None) -> dict[str, str]:
    """Of ContainerStatus. ``spec`` is the runtime-spec configuration; ``None`` when it cannot be made any more."""
    return _info(
        {
            "sandboxID": status.sandbox_id,
            "pid": status.pid,
            "removing": False,
            "runtimeType": "pyrt",
            "config": _as_dict(container_config(status)),
            "runtimeSpec": spec,
        }
    )


def _info(fields: dict[str, Any]) -> dict[str, str]:
    return {"info": msgspec.json.encode(fields).decode()}


def _as_dict(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)
