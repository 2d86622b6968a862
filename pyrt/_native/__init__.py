"""System calls that Python does not have, and the plan player. Small typed wrappers around the cffi extension.

Every function raises :class:`OSError` whose text begins with the operation: ``[Errno 1] Operation not permitted:
'unshare'``. The interpreter lock is released during each call. Descriptors returned are close-on-exec and belong to the
caller.
"""

from pyrt._native.devices import bpf_attach_device, bpf_load_device
from pyrt._native.errands import Errand
from pyrt._native.mounts import (
    FSCONFIG_CMD_CREATE,
    FSCONFIG_SET_FD,
    FSCONFIG_SET_FLAG,
    FSCONFIG_SET_STRING,
    fsconfig,
    fsmount,
    fsopen,
    mount,
    mount_setattr,
    move_mount,
    open_tree,
    openat2,
    path_beneath,
    pivot_root,
    umount,
)
from pyrt._native.player import (
    PLAN_VERSION,
    Child,
    Failure,
    born,
    check_plan,
    operation_table,
    plan_launch,
    plan_play,
    plan_spawn,
    read_report,
)
from pyrt._native.processes import (
    close_range,
    fork_into,
    memfd,
    memfd_copy,
    pidfd_open,
    pidfd_send_signal,
    pidfd_wait,
    set_child_subreaper,
    setns,
    spawn,
    unshare,
)
from pyrt._native.trees import TreeUsage, remove_tree, tree_set_group, tree_usage

__all__ = [
    "FSCONFIG_CMD_CREATE",
    "FSCONFIG_SET_FD",
    "FSCONFIG_SET_FLAG",
    "FSCONFIG_SET_STRING",
    "PLAN_VERSION",
    "Child",
    "Errand",
    "Failure",
    "TreeUsage",
    "born",
    "bpf_attach_device",
    "bpf_load_device",
    "check_plan",
    "close_range",
    "fork_into",
    "fsconfig",
    "fsmount",
    "fsopen",
    "memfd",
    "memfd_copy",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "openat2",
    "operation_table",
    "path_beneath",
    "pidfd_open",
    "pidfd_send_signal",
    "pidfd_wait",
    "pivot_root",
    "plan_launch",
    "plan_play",
    "plan_spawn",
    "read_report",
    "remove_tree",
    "set_child_subreaper",
    "setns",
    "spawn",
    "tree_set_group",
    "tree_usage",
    "umount",
    "unshare",
]
