"""``pyrt-oci update``."""

from __future__ import annotations

import sys

from pyrt.oci import cgroup
from pyrt.oci.errors import NotRunningError, OciError
from pyrt.oci.flags import Options
from pyrt.oci.log import LOG
from pyrt.oci.main import Global, exactly
from pyrt.oci.state import Directory
from pyrt.oci.status import STOPPED, status
from pyrt.spec import (
    LinuxBlockIO,
    LinuxCPU,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
    SpecError,
    decode_resources,
    replace,
)

USAGE = "<container-id>"
FLAGS = (
    "resources r =",
    "blkio-weight =",
    "cpu-period =",
    "cpu-quota =",
    "cpu-burst =",
    "cpu-share =",
    "cpu-rt-period =",
    "cpu-rt-runtime =",
    "cpuset-cpus =",
    "cpuset-mems =",
    "cpu-idle =",
    "kernel-memory =",
    "kernel-memory-tcp =",
    "memory =",
    "memory-reservation =",
    "memory-swap =",
    "pids-limit =",
    "l3-cache-schema =",
    "mem-bw-schema =",
)

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Change a container's limits; what is not said stays as it is."""
    (id_,) = exactly(words, 1, USAGE)
    directory = Directory.open(global_.root, id_)
    directory.lock()
    state = directory.read()
    if status(directory, state) == STOPPED:
        raise NotRunningError
    if options.given("l3-cache-schema") or options.given("mem-bw-schema"):
        raise OciError("updating a non-existent Intel RDT configuration is not supported")
    resources = _from_file(options.text("resources")) if options.given("resources") else _from_flags(options)
    # Rules for devices are not changed, as with runc: an engine may have added some of its own.
    resources = replace(resources, devices=())
    memory = resources.memory
    if memory is not None and memory.limit == -1 and memory.swap is None:
        resources = replace(resources, memory=replace(memory, swap=-1))
    if memory is not None and (memory.kernel or memory.kernel_tcp):
        LOG.warning("Kernel memory settings are ignored and will be removed")
    cgroup.driver(state.cgroup).update(state.cgroup.path, resources)
    return 0


def _from_file(path: str) -> LinuxResources:
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read(1 << 20)
        return decode_resources(data)
    except OSError as error:
        raise OciError(operation=f"open {path}", errno=error.errno) from error
    except SpecError as error:
        raise OciError(str(error), operation=f"read {path}") from error


def _from_flags(options: Options) -> LinuxResources:
    def number(name: str) -> int | None:
        text = options.text(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise OciError(f"invalid value for {name}: {text!r}") from None

    def size(name: str) -> int | None:
        text = options.text(name)
        return None if not text else bytes_of(text, name)

    cpu = LinuxCPU(
        shares=number("cpu-share"),
        quota=number("cpu-quota"),
        burst=number("cpu-burst"),
        period=number("cpu-period"),
        realtime_runtime=number("cpu-rt-runtime"),
        realtime_period=number("cpu-rt-period"),
        cpus=options.text("cpuset-cpus"),
        mems=options.text("cpuset-mems"),
        idle=number("cpu-idle"),
    )
    memory = LinuxMemory(
        limit=size("memory"),
        swap=size("memory-swap"),
        reservation=size("memory-reservation"),
        kernel=size("kernel-memory"),
        kernel_tcp=size("kernel-memory-tcp"),
    )
    return LinuxResources(
        cpu=cpu,
        memory=memory,
        pids=LinuxPids(limit=number("pids-limit")) if options.given("pids-limit") else None,
        block_io=LinuxBlockIO(weight=number("blkio-weight")) if options.given("blkio-weight") else None,
    )


def bytes_of(text: str, name: str) -> int:
    """``64m``, ``1GiB``, ``-1``: bytes, in powers of 1024. Raises :class:`OciError`."""
    if text == "-1":
        return -1
    digits = text.rstrip("kKmMgGtTpPiIbB ")
    unit = text[len(digits) :].strip().lower().removesuffix("b").removesuffix("i")
    try:
        return int(float(digits) * _UNITS[unit])
    except (ValueError, KeyError):
        raise OciError(f"invalid value for {name}: {text!r}") from None
