"""Which devices a container has, and which its cgroup lets it use."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from pyrt.launch.devices import devices_below
from pyrt.runtime.config import ContainerConfig, Device
from pyrt.runtime.errors import InvalidConfigError
from pyrt.spec import LinuxDevice, LinuxDeviceCgroup

_DEFAULT_RULES = (
    LinuxDeviceCgroup(allow=False, type="a", access="rwm"),
    # A node of anything may be made (the capability decides about that), but only these may be opened.
    LinuxDeviceCgroup(allow=True, type="c", access="m"),
    LinuxDeviceCgroup(allow=True, type="b", access="m"),
    *(
        LinuxDeviceCgroup(allow=True, type="c", major=major, minor=minor, access="rwm")
        for major, minor in (
            (1, 3),  # null
            (1, 5),  # zero
            (1, 7),  # full
            (1, 8),  # random
            (1, 9),  # urandom
            (5, 0),  # tty
            (5, 1),  # console
            (5, 2),  # ptmx
            (136, None),  # pts/*
        )
    ),
)
_ALL_RULES = (LinuxDeviceCgroup(allow=True, type="a", access="rwm"),)


def device_rules(config: ContainerConfig) -> tuple[LinuxDeviceCgroup, ...]:
    """The rules of the device cgroup, in order. Reads the host's nodes of the devices asked for."""
    if config.security.privileged:
        return _ALL_RULES
    if not config.devices:
        return _DEFAULT_RULES
    asked = (
        LinuxDeviceCgroup(allow=True, type=node.type, major=node.major, minor=node.minor, access=device.permissions)
        for device in config.devices
        for node in _resolve(device)
        if node.type != "p"  # nothing to allow
    )
    return (*_DEFAULT_RULES, *asked)


def device_nodes(
    config: ContainerConfig, host_devices: tuple[LinuxDevice, ...], uid: int = 0
) -> tuple[LinuxDevice, ...]:
    """The nodes besides those that every container has: the ones asked for, all of the host's for a privileged
    container. ``uid``: who it runs as.
    """
    asked = tuple(node for device in config.devices for node in _resolve(_owned(device, uid)))
    if not config.security.privileged:
        return asked
    paths = {node.path for node in asked}
    return (*(node for node in host_devices if node.path not in paths), *asked)


def _owned(device: Device, uid: int) -> Device:
    return replace(device, uid=uid) if device.of_user and uid and device.uid is None else device


def _resolve(device: Device) -> tuple[LinuxDevice, ...]:
    if not device.permissions or set(device.permissions) - set("rwm"):
        raise InvalidConfigError(
            f"permissions {device.permissions!r}: expected letters of rwm", operation=f"device {device.host_path}"
        )
    path = device.container_path or str(device.host_path)
    if device.type:
        found: tuple[LinuxDevice, ...] = (
            LinuxDevice(path=path, type=device.type, major=device.major, minor=device.minor),
        )
    else:
        found = devices_below(str(device.host_path), path)
    asked = {name: getattr(device, name) for name in ("file_mode", "uid", "gid")}
    told = {name: value for name, value in asked.items() if value is not None}
    return tuple(msgspec.structs.replace(node, **told) for node in found) if told else found
