"""``process`` of a runtime-spec configuration (config.md, "Process")."""

from __future__ import annotations

from pyrt.spec.base import Spec, Uint32, Uint64


class Box(Spec, frozen=True, kw_only=True):
    """``consoleSize``, in characters."""

    height: int = 0
    width: int = 0


class User(Spec, frozen=True, kw_only=True):
    """Numeric; names are resolved before (pyrt.launch.user)."""

    uid: Uint32 = 0
    gid: Uint32 = 0
    umask: Uint32 | None = None
    additional_gids: tuple[Uint32, ...] = ()
    username: str = ""


class LinuxCapabilities(Spec, frozen=True, kw_only=True):
    """``CAP_`` names, one list a set (capabilities(7))."""

    bounding: tuple[str, ...] = ()
    effective: tuple[str, ...] = ()
    inheritable: tuple[str, ...] = ()
    permitted: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()


class PosixRlimit(Spec, frozen=True, kw_only=True):
    """``RLIMIT_`` name and its two values."""

    type: str
    hard: Uint64
    soft: Uint64


class LinuxIOPriority(Spec, frozen=True, kw_only=True):
    """``IOPRIO_CLASS_RT``, ``_BE`` or ``_IDLE`` and a level of 0 to 7 (ioprio_set(2))."""

    class_: str = ""
    priority: int = 0


class Scheduler(Spec, frozen=True, kw_only=True):
    """``SCHED_`` policy and its parameters (sched_setattr(2)); the last three in nanoseconds."""

    policy: str
    nice: int = 0
    priority: int = 0
    flags: tuple[str, ...] = ()
    runtime: int = 0
    deadline: int = 0
    period: int = 0


class CPUAffinity(Spec, frozen=True, kw_only=True):
    """``execCPUAffinity``: lists of CPUs for the time before and after the process is in its cgroup."""

    initial: str = ""
    final: str = ""


class Process(Spec, frozen=True, kw_only=True):
    """What runs."""

    terminal: bool = False
    console_size: Box | None = None
    user: User = User()
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    cwd: str = "/"
    capabilities: LinuxCapabilities | None = None
    rlimits: tuple[PosixRlimit, ...] = ()
    no_new_privileges: bool = False
    apparmor_profile: str = ""
    oom_score_adj: int | None = None
    scheduler: Scheduler | None = None
    selinux_label: str = ""
    io_priority: LinuxIOPriority | None = None
    exec_cpu_affinity: CPUAffinity | None = None
