"""From a bundle to a process that waits to be started: ``create``, and the first half of ``run``.

Whatever is half-made when something fails is undone here. Whoever kills this process at any moment leaves a directory
with a state that says ``stopped`` and what else there may be, for ``delete``; the container's process ends by itself
unless its number has been written down.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress

from pyrt import records
from pyrt.errors import PyrtError
from pyrt.launch import (
    CgroupPlace,
    ContainerContext,
    DirectoryRoot,
    GivenFd,
    LaunchError,
    MountSource,
    Plan,
    compile_container,
    probe,
)
from pyrt.oci import cgroup
from pyrt.oci.bundle import Bundle
from pyrt.oci.errors import OciError
from pyrt.oci.log import LOG
from pyrt.oci.namespaces import not_of_host
from pyrt.oci.player import Player, launch
from pyrt.oci.state import CONFIG, SOCKET, Directory, State
from pyrt.oci.status import CREATED, CREATING, oci_state, start_time
from pyrt.spec import Config, Hooks, Linux, replace

if records.TYPE_CHECKING:
    from typing import Any


class Request:
    """What ``create`` and ``run`` are told."""

    __slots__ = ("bundle", "console_socket", "gate", "id", "pid_file", "pidfd_socket", "preserved", "root")

    def __init__(self, root: str, id_: str, bundle: Bundle) -> None:
        self.root = root
        self.id = id_
        self.bundle = bundle
        self.console_socket = -1
        """A connected socket that takes the terminal's master."""
        self.pid_file = ""
        self.preserved = 0
        self.pidfd_socket = ""
        """Where a listener gets a pidfd of the container's process."""
        self.gate = True
        """Whether somebody else is going to start it."""


class Created:
    """A container whose process waits. Its directory is locked."""

    __slots__ = ("directory", "player", "state")

    def __init__(self, directory: Directory, state: State, player: Player) -> None:
        self.directory = directory
        self.state = state
        self.player = player


def create(request: Request) -> Created:
    """Make a container. Raises :class:`pyrt.errors.PyrtError`, with nothing left."""
    bundle = request.bundle
    config = bundle.config
    linux = config.linux or Linux()
    directory = Directory.create(request.root, request.id)
    with ExitStack() as undo:
        undo.callback(directory.remove)
        state = State(request.id, bundle.path, bundle.rootfs, config.oci_version, dict(config.annotations))
        state.created = _now()
        state.has_hooks = config.hooks is not None and config.hooks != Hooks()
        state.namespaces, state.user_namespace = not_of_host(linux)
        place, driver = cgroup.create(linux.cgroups_path, request.id, linux.resources)
        state.cgroup = place
        state.owns_cgroup = not driver.processes(place.path)
        directory.write_file(CONFIG, bundle.data)
        directory.write(state)
        if state.owns_cgroup:
            undo.callback(driver.remove, place.path)
        cgroup.make(place, driver, linux.resources)
        player = _launch(request, directory, state, undo)
        for warning in player.plan.warnings:
            LOG.warning(warning)
        try:
            _bring_up(request, config, directory, state, player)
        except BaseException:
            player.kill()
            player.close()
            raise
        undo.pop_all()
    return Created(directory, state, player)


def _now() -> str:
    nanoseconds = time.time_ns()
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 10**9))
    return f"{text}.{nanoseconds % 10**9:09d}Z"


def compile_plan(bundle: Bundle, state: State, request: Request, gate: int) -> Plan:
    """The container's plan. Raises :class:`LaunchError`."""
    config = bundle.config
    hooks = config.hooks or Hooks()
    features = probe()
    if config.process is not None and config.process.apparmor_profile:
        from pyrt.oci.confinement import enforceable

        config = replace(config, process=enforceable(config.process, features, warn=not state.pid))
    context = ContainerContext(
        DirectoryRoot(bundle.rootfs),
        cgroup=place_of(state),
        features=features,
        sources=_shared_sources(config),
        wait=True,
        gate=GivenFd(gate, "start") if gate >= 0 else None,
        wait_before_pivot=bool(hooks.prestart or hooks.create_runtime or hooks.create_container),
        preserved=request.preserved,
        give_stdio=True,
    )
    return compile_container(config, context)


def _shared_sources(config: Config) -> dict[str, MountSource]:
    """Binds whose mounts reach the host: their sources are taken from the host's own tree, not from a copy that only
    follows it. Nothing is unless ``rootfsPropagation`` says so too, as with runc.
    """
    if config.linux is None or config.linux.rootfs_propagation not in ("shared", "rshared"):
        return {}
    return {
        mount.destination: MountSource(current=True)
        for mount in config.mounts
        if not {"shared", "rshared"}.isdisjoint(mount.options)
    }


def place_of(state: State) -> CgroupPlace:
    """For the launch layer."""
    return CgroupPlace(tuple(state.cgroup.tasks), state.cgroup.directory, tuple(state.cgroup.mount_points))


def users_of(state: State, linux: Linux) -> dict[str, Any]:
    """What an :class:`pyrt.launch.ExecContext` says of the container's user namespace, which it is to join."""
    if not state.user_namespace:
        return {}
    from pyrt.launch.own_users import IdMaps

    # One that was joined by its path has mappings of its own, which the bundle need not repeat.
    return {
        "user_namespace": IdMaps(linux.uid_mappings, linux.gid_mappings),
        "give_stdio": bool(linux.uid_mappings),
    }


def _launch(request: Request, directory: Directory, state: State, undo: ExitStack) -> Player:
    with ExitStack() as stack:
        gate = -1
        if request.gate:
            gate = _listen(directory)
            stack.callback(os.close, gate)
        plan = compile_plan(request.bundle, state, request, gate)
        return launch(plan, preserved=request.preserved, console=request.console_socket)


def _listen(directory: Directory) -> int:
    """The socket through which the container is started. The process inside holds it, nobody else."""
    from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET, socket

    listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    try:
        listening.bind(f"/proc/self/fd/{directory.fd}/{SOCKET}")
        listening.listen(16)
        return listening.detach()
    except OSError as error:
        raise OciError(operation=f"listen on {directory.path}/{SOCKET}", errno=error.errno) from error
    finally:
        listening.close()


def _bring_up(request: Request, config: Config, directory: Directory, state: State, player: Player) -> None:
    """Until the process has nothing more to do but to wait."""
    stop = player.next_stop()
    hooks = config.hooks
    if hooks is not None and (hooks.prestart or hooks.create_runtime or hooks.create_container):
        from pyrt.oci import hooks as running

        state.pid = player.pid
        # Of prestart hooks, config.md says "after the start operation is called": what they see is created.
        running.run_on_host("prestart", hooks.prestart, oci_state(directory, state, CREATED), cwd=request.bundle.path)
        document = oci_state(directory, state, CREATING)
        running.run_on_host("createRuntime", hooks.create_runtime, document, cwd=request.bundle.path)
        running.run_in_namespaces("createContainer", hooks.create_container, document, player.pid, state.namespaces)
        player.go()
        stop = player.next_stop()
    if stop is None:
        raise LaunchError("the container's process has ended", operation="create")
    state.pid, state.start_time = player.pid, start_time(player.pid)
    if state.start_time == 0:
        raise LaunchError("the container's process has ended", operation="create")
    directory.write(state)
    if request.pidfd_socket:
        from pyrt.oci.console import send_descriptor

        send_descriptor(request.pidfd_socket, player.pidfd)
    if request.pid_file:
        write_pid_file(request.pid_file, player.pid)


def write_pid_file(path: str, pid: int) -> None:
    """The number alone, whole or not at all. Raises :class:`OciError`."""
    new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, str(pid).encode())
        finally:
            os.close(fd)
        os.rename(new, path)
    except OSError as error:
        raise OciError(operation=f"write {path}", errno=error.errno) from error


def destroy(directory: Directory, state: State) -> None:
    """Remove all that is left of a container without processes, and run its poststop hooks. The directory is locked."""
    if state.cgroup.path and state.owns_cgroup:
        _remove_cgroup(state)
    config = None
    if state.has_hooks:
        from pyrt.oci.bundle import parse

        with suppress(FileNotFoundError, OciError):
            config = parse(directory.read_file(CONFIG).encode())
    directory.remove()
    if config is not None and config.hooks is not None and config.hooks.poststop:
        from pyrt.oci import hooks as running

        document = oci_state(directory, state, "stopped")
        for hook in config.hooks.poststop:
            try:
                running.run_on_host("poststop", [hook], document, cwd=state.bundle)
            except PyrtError as error:
                LOG.warning(str(error))


def _remove_cgroup(state: State) -> None:
    driver = cgroup.driver(state.cgroup)
    for pause in (0.0, 0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
        time.sleep(pause)
        if driver.remove(state.cgroup.path):
            return
        driver.kill(state.cgroup.path)
    raise OciError("processes are left in it", operation=f"remove cgroup {state.cgroup.path}")


def read_config(directory: Directory) -> Config:
    """The configuration as it was at creation."""
    from pyrt.oci.bundle import parse

    return parse(directory.read_file(CONFIG).encode("utf-8", "surrogateescape"))


def failure_of(directory: Directory, state: State, index: int, errno: int) -> LaunchError:
    """What a container's plan was doing when it stopped: the plan is the same as when it was made."""
    bundle = Bundle(state.bundle, b"", read_config(directory), state.rootfs)
    return compile_plan(bundle, state, Request("", state.id, bundle), 0).failure(index, errno)
