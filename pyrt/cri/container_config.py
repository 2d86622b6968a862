"""``ContainerConfig`` -> :class:`pyrt.runtime.config.ContainerConfig` (pure).

Which field is honoured how, and which is not, is told in docs/cri.md, "Fields".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import invalid
from pyrt.cri.mounts import NO_IMAGES, mount_of
from pyrt.cri.namespaces import of_container
from pyrt.cri.resources import resources_of
from pyrt.cri.security import security_of
from pyrt.images.types import Image
from pyrt.runtime.config import ContainerConfig, Device
from pyrt.runtime.status import SandboxStatus

_REALTIME = re.compile(r"SIG(RTMIN|RTMAX)(PLUS|MINUS)([0-9]+)")


def container_config(
    message: cri.ContainerConfig,
    sandbox: SandboxStatus,
    image: Image,
    mount_images: Mapping[str, Image] = NO_IMAGES,
) -> ContainerConfig:
    """One container of ``sandbox``. ``mount_images``: what the names in its image mounts stand for.

    Raises :class:`pyrt.cri.errors.CriError` with the name of the field.

    A container whose PID namespace is joined is named as the caller named it: whether it is there, and belongs to the
    sandbox, is for the caller of this to see.
    """
    if not message.metadata.name:
        raise invalid("config.metadata.name", "expected a name")
    if message.HasField("windows"):
        raise invalid("config.windows", "this is Linux")
    context, field = message.linux.security_context, "config.linux.security_context"
    pid, pid_target = of_container(context.namespace_options, sandbox.config, f"{field}.namespace_options")
    return ContainerConfig(
        name=message.metadata.name,
        attempt=message.metadata.attempt,
        image=image,
        image_ref=message.image.user_specified_image or message.image.image,
        log_path=_log_path(message.log_path, sandbox.config.log_directory),
        command=tuple(message.command),
        args=tuple(message.args),
        working_dir=message.working_dir,
        env=tuple(_variable(one) for one in message.envs),
        mounts=tuple(
            mount_of(one, f"config.mounts[{index}]", sandbox.config.user_namespace, mount_images)
            for index, one in enumerate(message.mounts)
        ),
        devices=tuple(_device(one, f"config.devices[{index}]") for index, one in enumerate(message.devices)),
        stdin=message.stdin,
        stdin_once=message.stdin_once,
        tty=message.tty,
        resources=resources_of(message.linux.resources, "config.linux.resources"),
        security=security_of(context, message.linux.resources.oom_score_adj, sandbox.config, field),
        pid=pid,
        pid_target=pid_target,
        stop_signal=stop_signal(message.stop_signal),
        labels=dict(message.labels),
        annotations=dict(message.annotations),
    )


def _log_path(asked: str, directory: Path) -> Path:
    """Relative to the sandbox's log directory. Without either there is no log."""
    if not asked or not directory.is_absolute():
        return Path()
    relative = asked.lstrip("/")
    if not relative or ".." in relative.split("/"):
        raise invalid("config.log_path", f"expected a path below the log directory, got {asked!r}")
    return Path(posixpath.normpath(relative))


def _variable(message: cri.KeyValue) -> tuple[str, str]:
    try:
        value = message.value.decode()
    except UnicodeDecodeError as error:
        raise invalid(f"config.envs {message.key}", "expected UTF-8") from error
    if not message.key or "=" in message.key or "\0" in message.key or "\0" in value:
        raise invalid("config.envs", f"{message.key!r} cannot be the name of a variable, or its value holds a NUL")
    return message.key, value


def _device(message: cri.Device, field: str) -> Device:
    if not message.host_path.startswith("/"):
        raise invalid(f"{field}.host_path", f"expected an absolute path, got {message.host_path!r}")
    if not message.permissions or set(message.permissions) - set("rwm"):
        raise invalid(f"{field}.permissions", f"expected letters of rwm, got {message.permissions!r}")
    return Device(message.container_path or message.host_path, Path(message.host_path), message.permissions)


def stop_signal(number: int) -> str:
    """``Signal``, whose numbers are its own, by name: ``SIGNAL_SIGRTMINPLUS3`` is ``SIGRTMIN+3``. Empty: the image's.

    Raises :class:`CriError`.
    """
    if number == cri.SIGNAL_RUNTIME_DEFAULT:
        return ""
    if number not in cri.Signal.values():
        raise invalid("config.stop_signal", f"unknown signal {number}")
    name = cri.Signal.Name(number).removeprefix("SIGNAL_")
    realtime = _REALTIME.fullmatch(name)
    if realtime is None:
        return name
    return f"SIG{realtime[1]}{'+' if realtime[2] == 'PLUS' else '-'}{realtime[3]}"
