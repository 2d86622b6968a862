"""``pyrt-oci exec``."""

from __future__ import annotations

import os

from pyrt import _native
from pyrt.launch import ExecContext, LaunchError, Plan, PodSupplied, compile_exec, probe
from pyrt.oci import foreground
from pyrt.oci.bundle import check_process
from pyrt.oci.console import connect, send_descriptor
from pyrt.oci.creation import place_of, read_config, users_of, write_pid_file
from pyrt.oci.errors import NotRunningError, OciError
from pyrt.oci.flags import Options
from pyrt.oci.log import LOG
from pyrt.oci.main import Global, at_least
from pyrt.oci.player import Player, launch
from pyrt.oci.preserved import preserved_descriptors
from pyrt.oci.state import Directory, State
from pyrt.oci.status import PAUSED, STOPPED, alive, status
from pyrt.oci.tracers import has_to_hide, remember, traces
from pyrt.spec import Config, Linux, LinuxCapabilities, Process, SpecError, User, decode_process, replace

USAGE = "<container-id> <command> [command options]  || -p process.json <container-id>"
FLAGS = (
    "console-socket =",
    "pidfd-socket =",
    "cwd =",
    "env e *",
    "tty t",
    "user u =",
    "additional-gids g *",
    "process p =",
    "detach d",
    "pid-file =",
    "process-label =",
    "apparmor =",
    "no-new-privs",
    "cap c *",
    "preserve-fds =",
    "cgroup *",
    "ignore-paused",
    "no-subreaper",
)
STOPS_AT_WORD = True
_FAILED = 255


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Run another process in a container. What fails before it runs is 255, as runc has it."""
    id_, *arguments = at_least(words, 1, USAGE)
    try:
        return _run(global_, options, id_, arguments)
    except (LaunchError, OciError, SpecError) as error:
        raise OciError(f"exec failed: {error}", exit_code=_FAILED) from error


def _run(global_: Global, options: Options, id_: str, arguments: list[str]) -> int:
    directory = Directory.open(global_.root, id_)
    state = directory.read()
    word = status(directory, state)
    if word == STOPPED:
        raise OciError("cannot exec in a stopped container")
    if word == PAUSED and not options.on("ignore-paused"):
        raise OciError("cannot exec in a paused container (use --ignore-paused to override)")
    config = read_config(directory)
    process = _process(options, config, arguments)
    check_process(process)
    detached = options.on("detach")
    socket = options.text("console-socket")
    if detached and process.terminal and not socket:
        raise OciError("cannot allocate tty if pyrt-oci will detach without setting console socket")
    if socket and not (detached and process.terminal):
        raise OciError("cannot use console socket if pyrt-oci will not detach or allocate tty")
    console = None
    console_fd = connect(socket) if socket else -1
    if not detached:
        foreground.block_signals()
        if process.terminal:
            from pyrt.oci.terminal import Console

            console = Console()
            console_fd = console.given
    preserved = preserved_descriptors(options.number("preserve-fds"))
    if traces(process.capabilities) and not has_to_hide(state, config):
        remember(directory)
    player = _launch(state, config, process, options, console_fd, preserved)
    try:
        player.next_stop()
    except BaseException:
        player.kill()
        raise
    if options.text("pid-file"):
        write_pid_file(options.text("pid-file"), player.pid)
    if options.text("pidfd-socket"):
        send_descriptor(options.text("pidfd-socket"), player.pidfd)
    if detached:
        return 0
    if console is not None:
        from pyrt.oci.terminal import relay

        os.close(console_fd)
        return relay(player.pid, player.pidfd, console.master())
    return foreground.wait(player.pid, player.pidfd)


def _launch(state: State, config: Config, process: Process, options: Options, console: int, preserved: int) -> Player:
    try:
        target = _native.pidfd_open(state.pid)
    except ProcessLookupError:
        raise NotRunningError from None
    try:
        if not alive(state):
            raise NotRunningError
        plan = compile_plan(state, config, process, options.all("cgroup"), preserved)
        for warning in plan.warnings:
            LOG.warning(warning)
        return launch(plan, preserved=preserved, console=console, target=target)
    finally:
        os.close(target)


def compile_plan(state: State, config: Config, process: Process, cgroups: list[str], preserved: int) -> Plan:
    """Raises :class:`LaunchError`, :class:`OciError`."""
    place = place_of(state)
    if cgroups:
        from pyrt.oci.subcgroups import below

        place = below(place, cgroups)
    linux = config.linux or Linux()
    features = probe()
    if process.apparmor_profile:
        from pyrt.oci.confinement import enforceable

        process = enforceable(process, features, warn=True)
    context = ExecContext(
        namespaces=state.namespaces,
        target=PodSupplied("container"),
        cgroup=place,
        features=features,
        preserved=preserved,
        hidden=_hidden(state, config, preserved),
        **users_of(state, linux),
    )
    return compile_exec(process, linux, context)


def _hidden(state: State, config: Config, preserved: int) -> bool:
    """Whoever hides lets go of every descriptor. Raises :class:`OciError` if it was to keep some."""
    if not has_to_hide(state, config):
        return False
    if not preserved:
        return True
    capabilities = None if config.process is None else config.process.capabilities
    if capabilities is not None and "CAP_SYS_ADMIN" in capabilities.permitted:
        return False  # which is root on the host, whoever comes in
    raise OciError("cannot keep descriptors (--preserve-fds) beside processes with CAP_SYS_PTRACE")


def _process(options: Options, config: Config, arguments: list[str]) -> Process:
    path = options.text("process")
    if path:
        try:
            with open(path, "rb") as file:
                return decode_process(file.read(16 << 20))
        except OSError as error:
            raise OciError(operation=f"open {path}", errno=error.errno) from error
    if not arguments:
        raise OciError("exec args cannot be empty")
    base = config.process
    if base is None:
        raise OciError("process property must not be empty")
    replaced = {
        "args": tuple(arguments),
        "terminal": options.on("tty"),
        "cwd": options.text("cwd") or base.cwd,
        "env": (*base.env, *options.all("env")),
        "apparmor_profile": options.text("apparmor") or base.apparmor_profile,
        "selinux_label": options.text("process-label") or base.selinux_label,
        "user": _user(options, base.user),
        "capabilities": _capabilities(base.capabilities, options.all("cap")),
    }
    if options.given("no-new-privs"):
        replaced["no_new_privileges"] = options.on("no-new-privs")
    return replace(base, **replaced)


def _user(options: Options, base: User) -> User:
    text = options.text("user")
    uid, gid = base.uid, base.gid
    if text:
        first, colon, second = text.partition(":")
        uid = _number(first, "bad uid")
        gid = _number(second, "bad gid") if colon else gid
    groups = tuple(
        _number(group, "additional-gids") for words in options.all("additional-gids") for group in words.split(",")
    )
    return replace(base, uid=uid, gid=gid, additional_gids=(*base.additional_gids, *groups))


def _number(text: str, what: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 1 << 32:
        return int(text)
    raise OciError(f"{what}: {text!r}")


def _capabilities(base: LinuxCapabilities | None, added: list[str]) -> LinuxCapabilities | None:
    if not added:
        return base
    base = base or LinuxCapabilities()
    more = tuple(added)
    return LinuxCapabilities(
        bounding=(*base.bounding, *more),
        effective=(*base.effective, *more),
        permitted=(*base.permitted, *more),
        inheritable=base.inheritable,
        # Ambient ones have to be inheritable, and --cap makes none inheritable.
        ambient=(*base.ambient, *more) if base.inheritable else base.ambient,
    )
