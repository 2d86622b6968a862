"""Device rules for cgroup v1's devices controller (admin-guide/cgroup-v1/devices.rst)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyrt.spec import LinuxDeviceCgroup


def device_writes(rules: Iterable[LinuxDeviceCgroup]) -> Iterator[tuple[str, str]]:
    """(file, value): one write a rule, in order; a wildcard over everything is the kernel's own ``a``."""
    for rule in rules:
        yield ("devices.allow" if rule.allow else "devices.deny"), _line(rule)


def _line(rule: LinuxDeviceCgroup) -> str:
    kind = rule.type or "a"
    if kind == "a" and _number(rule.major) == _number(rule.minor) == "*":
        return "a"
    return f"{kind} {_number(rule.major)}:{_number(rule.minor)} {rule.access or 'rwm'}"


def _number(value: int | None) -> str:
    return "*" if value is None or value < 0 else str(value)
