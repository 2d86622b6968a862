"""The end of every plan: from root with all rights to the program as the user it is meant to be."""

from __future__ import annotations

from collections.abc import Sequence

from pyrt.launch import capabilities as caps
from pyrt.launch import constants as k
from pyrt.launch.errors import LaunchError
from pyrt.launch.features import Features
from pyrt.launch.operations import (
    PROC,
    Ambient,
    Birth,
    Block,
    Bounding,
    Capabilities,
    ChangeDirectory,
    CloseDescriptors,
    CloseOnExec,
    Control,
    Exec,
    FindProgram,
    Gate,
    IoPriority,
    NoNewPrivileges,
    OomScoreAdj,
    Operation,
    Personality,
    ProcWrite,
    Rlimit,
    Scheduler,
    Seccomp,
    SetSid,
    StdioOwner,
    Umask,
    User,
    Wait,
)
from pyrt.records import dataclass
from pyrt.spec import LinuxCapabilities, LinuxPersonality, LinuxSeccomp, Process
from pyrt.spec import Scheduler as SchedulerSpec

_NO_NEW_PRIVS = Block.of(NoNewPrivileges())
_WAIT = Block.of(Wait())
_CLOSE = Block.of(CloseOnExec())
_CLOSE_ALL = Block.of(CloseDescriptors())
_BIRTH = Block.of(Birth(), SetSid())
_CONTROL = Block.of(Control())
DEFAULT_UMASK = 0o022
INFINITY = 0xFFFFFFFFFFFFFFFF

_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_POLICIES = {
    "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}  # fmt: skip
_SCHEDULER_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08, "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20, "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CapabilitySets:
    """Five sets (capabilities(7)), none larger than the runtime can give."""

    bounding: int
    effective: int
    permitted: int
    inheritable: int
    ambient: int


def grant(asked: LinuxCapabilities | None, held: int) -> tuple[CapabilitySets, tuple[str, ...]]:
    """What is asked for as far as the runtime has it, and a warning a set of names that it cannot give.

    Without a list the process has none (config.md, ``capabilities``). Ambient capabilities must be permitted and
    inheritable.
    """
    if asked is None:
        return CapabilitySets(0, 0, 0, 0, 0), ()
    bounding = caps.mask(asked.bounding)
    permitted = caps.mask(asked.permitted)
    inheritable = caps.mask(asked.inheritable)
    warnings = []
    missing = (bounding | permitted) & ~held
    if missing:
        warnings.append(f"capabilities this machine does not give: {' '.join(caps.names(missing))}")
    names = caps.unknown((*asked.bounding, *asked.permitted, *asked.effective, *asked.inheritable, *asked.ambient))
    if names:
        warnings.append(f"unknown capabilities: {' '.join(sorted(set(names)))}")
    permitted &= held
    inheritable &= held
    return CapabilitySets(
        bounding=bounding & held,
        effective=caps.mask(asked.effective) & permitted,
        permitted=permitted,
        inheritable=inheritable,
        ambient=caps.mask(asked.ambient) & permitted & inheritable,
    ), tuple(warnings)


def limits(process: Process) -> list[Operation | Block]:
    """Resource limits, scheduling, I/O priority."""
    ops: list[Operation | Block] = []
    seen = set()
    for limit in process.rlimits:
        resource = k.RLIMITS.get(limit.type.removeprefix("RLIMIT_"))
        if resource is None or limit.type in seen:
            raise LaunchError("unknown or named twice", operation=f"process.rlimits {limit.type}")
        seen.add(limit.type)
        ops.append(Rlimit(resource, _unsigned(limit.soft), _unsigned(limit.hard)))
    if process.scheduler is not None:
        ops.append(_scheduler(process.scheduler))
    if process.io_priority is not None:
        number = _IO_CLASSES.get(process.io_priority.class_)
        if number is None or not 0 <= process.io_priority.priority <= 7:
            raise LaunchError(
                f"{process.io_priority.class_} {process.io_priority.priority}", operation="process.ioPriority"
            )
        ops.append(IoPriority(number << 13 | process.io_priority.priority))
    return ops


def _unsigned(value: int) -> int:
    return INFINITY if value < 0 else min(value, INFINITY)


def _scheduler(spec: SchedulerSpec) -> Scheduler:
    policy = _POLICIES.get(spec.policy)
    if policy is None:
        raise LaunchError(f"unknown policy {spec.policy}", operation="process.scheduler")
    flags = 0
    for flag in spec.flags:
        if flag not in _SCHEDULER_FLAGS:
            raise LaunchError(f"unknown flag {flag}", operation="process.scheduler")
        flags |= _SCHEDULER_FLAGS[flag]
    return Scheduler(policy, spec.nice, spec.priority, flags, spec.runtime, spec.deadline, spec.period)


def personality(spec: LinuxPersonality | None) -> list[Operation | Block]:
    """The execution domain (personality(2)): LINUX is 0, LINUX32 is 8."""
    if spec is None:
        return []
    domains = {"LINUX": 0, "LINUX32": 8}
    if spec.domain not in domains or spec.flags:
        raise LaunchError(f"{spec.domain} {' '.join(spec.flags)}".strip(), operation="linux.personality")
    return [Personality(domains[spec.domain])]


def oom_score(process: Process) -> list[Operation | Block]:
    """oom_score_adj, written through the player's own procfs in the slot PROC."""
    if process.oom_score_adj is None:
        return []
    if not -1000 <= process.oom_score_adj <= 1000:
        raise LaunchError(f"{process.oom_score_adj} is not within -1000 and 1000", operation="process.oomScoreAdj")
    return [OomScoreAdj(PROC, process.oom_score_adj)]


def labels(process: Process, features: Features) -> list[Operation | Block]:
    """The security module's label of the program, written through the player's own procfs."""
    if process.apparmor_profile and process.apparmor_profile != "unconfined":
        if not features.apparmor:
            raise LaunchError(
                "AppArmor is not enabled on this machine", operation=f"apparmor profile {process.apparmor_profile}"
            )
        data = f"exec {process.apparmor_profile}".encode()
        note = f"set apparmor profile {process.apparmor_profile}"
        return [ProcWrite(PROC, "self/attr/apparmor/exec", data, note=note)]
    if process.selinux_label and features.selinux:
        return [
            ProcWrite(PROC, "self/attr/exec", process.selinux_label.encode(), note=f"set label {process.selinux_label}")
        ]
    return []


def become(
    process: Process,
    filter_: LinuxSeccomp | None,
    features: Features,
    *,
    give_stdio: bool,
    wait: bool,
    hidden: bool = False,
    gate: int | None = None,
    preserved: int = 0,
    program: str = "",
) -> tuple[list[Operation | Block], Sequence[str]]:
    """The working directory, the user, the capabilities, the filter, the program; and warnings.

    ``hidden``: the process enters its PID namespace by a second birth, when it has nothing left that its container
    has not (see :mod:`pyrt.launch.hidden`). ``gate``: the place of a socket to be started through.
    """
    if not process.args:
        raise LaunchError("no program to run", operation="process.args")
    user = process.user
    sets, warnings = grant(process.capabilities, features.capabilities)
    ops: list[Operation | Block] = []
    if give_stdio and user.uid != 0:
        ops.append(StdioOwner(user.uid))
    # As root still: a directory its user cannot enter may be the working directory all the same, as with runc.
    ops.append(ChangeDirectory(process.cwd or "/"))
    ops += _credentials(sets, user.uid, user.gid, user.additional_gids, user.umask)
    if process.no_new_privileges:
        ops.append(_NO_NEW_PRIVS)
    needs_admin = filter_ is not None and not process.no_new_privileges
    # A filter without no_new_privs takes CAP_SYS_ADMIN (seccomp(2)), which is held on to until it is loaded; what the
    # filter then has to let through is capset and execve, and no more.
    extra = caps.SYS_ADMIN if needs_admin else 0
    ops.append(Capabilities(sets.effective | extra, sets.permitted | extra, sets.inheritable))
    if sets.ambient:
        ops.append(Ambient(sets.ambient))
    ops.append(_CLOSE_ALL if hidden else CloseOnExec(preserved) if preserved else _CLOSE)
    if gate is not None:
        ops.append(FindProgram(program or process.args[0], process.env))
        ops.append(Gate(gate))
    elif wait:
        ops.append(_WAIT)
    confine: list[Operation | Block] = []
    if filter_ is not None:
        from pyrt.launch import seccomp  # not every container has a filter, and this takes its time

        compiled = seccomp.compile_filter(filter_)
        if compiled is not None:
            confine.append(Seccomp(compiled.flags, compiled.instructions, compiled.name))
        if needs_admin and not (sets.effective & sets.permitted & caps.SYS_ADMIN):
            confine.append(Capabilities(sets.effective, sets.permitted, sets.inheritable))
    if hidden:
        born = [_BIRTH, *([_CONTROL] if process.terminal else [])]
        # With no_new_privs the filter can wait for its turn, and need not let the birth pass.
        ops += [*confine, *born] if needs_admin else [*born, *confine]
    else:
        ops += confine
    ops.append(Exec(program or process.args[0], process.args, process.env))
    return ops, warnings


def _credentials(
    sets: CapabilitySets, uid: int, gid: int, groups: tuple[int, ...], umask: int | None
) -> list[Operation | Block]:
    return [Umask(DEFAULT_UMASK if umask is None else umask & 0o777), Bounding(sets.bounding), User(uid, gid, groups)]
