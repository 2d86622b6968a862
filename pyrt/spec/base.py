"""What every structure of the runtime-spec has in common.

The structures are msgspec's. A program that lives for milliseconds (pyrt-oci) cannot afford to import that: with
``pyrt.records.SHORT_LIVED`` they are made, of the same definitions, by :mod:`pyrt.spec.small`.
"""

from __future__ import annotations

from pyrt import records

TYPE_CHECKING = False

# Names that are not simply the Python name in camel case.
_SPECIAL = {
    "class_": "class",
    "additional_gids": "additionalGids",
    "apparmor_profile": "apparmorProfile",
    "exec_cpu_affinity": "execCPUAffinity",
    "io_priority": "ioPriority",
    "container_id": "containerID",
    "host_id": "hostID",
    "uid_mappings": "uidMappings",
    "gid_mappings": "gidMappings",
    "block_io": "blockIO",
    "class_id": "classID",
    "clos_id": "closID",
    "l3_cache_schema": "l3CacheSchema",
    "mem_bw_schema": "memBwSchema",
    "enable_monitoring": "enableMonitoring",
    "disable_oom_killer": "disableOOMKiller",
    "kernel_tcp": "kernelTCP",
    "throttle_read_bps_device": "throttleReadBpsDevice",
    "throttle_write_bps_device": "throttleWriteBpsDevice",
    "throttle_read_iops_device": "throttleReadIOPSDevice",
    "throttle_write_iops_device": "throttleWriteIOPSDevice",
    "errno_ret": "errnoRet",
    "value_two": "valueTwo",
    "default_errno_ret": "defaultErrnoRet",
    "file_mode": "fileMode",
    "selinux_label": "selinuxLabel",
    "vm": "vm",
}


def _json_name(name: str) -> str:
    special = _SPECIAL.get(name)
    if special is not None:
        return special
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


if TYPE_CHECKING or not records.SHORT_LIVED:
    from typing import Annotated

    import msgspec
    from msgspec import field as field

    Uint32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
    Uint64 = Annotated[int, msgspec.Meta(ge=0)]

    class Spec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_json_name):
        """A JSON object. Properties that are not known are passed over: a runtime "MUST NOT generate an error" for them
        (config.md, "Extensibility").
        """

else:
    from pyrt.records import field as field
    from pyrt.spec.small import Small

    Uint32 = Uint64 = int

    class Spec(Small, rename=_json_name):
        """The same."""
