"""The subresources of a pod that are streams: log, exec, attach, portforward."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from aiohttp import web

from pyrt.api.call import Call, Streamed
from pyrt.api.errors import ApiError, bad_request, internal, not_found
from pyrt.api.query import flag, integer
from pyrt.errors import PyrtError
from pyrt.ids import ContainerId
from pyrt.kube.pod import Pod
from pyrt.kube.response import StatusDetails
from pyrt.pods import translate
from pyrt.pods.status import RUNTIME_SCHEME
from pyrt.pods.supervisor import Supervisor
from pyrt.runtime import Runtime
from pyrt.runtime.errors import ContainerNotFoundError
from pyrt.runtime.session import Session
from pyrt.runtime.status import ContainerState, ContainerStatus
from pyrt.streams import outcomes
from pyrt.streams.channels import STDERR, STDOUT
from pyrt.streams.errors import UpgradeRefusedError
from pyrt.streams.logformat import BOTH_STREAMS, LogOptions, parse_time
from pyrt.streams.logs import read_log
from pyrt.streams.upgrades import Conversation, Refused, Timeouts, Wanted, forward_ports, remote_command

_STREAMS: Final = {
    "": BOTH_STREAMS,
    "All": BOTH_STREAMS,
    "Stdout": frozenset((b"stdout",)),
    "Stderr": frozenset((b"stderr",)),
}
_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
_TIMEOUTS: Final = Timeouts()


@contextlib.contextmanager
def _told(path: Any) -> Iterator[None]:
    """A log that cannot be read: somebody removed it, or put something else there."""
    try:
        yield
    except OSError as error:
        raise internal(f"failed to open log file {path}: {error.strerror}") from error


class PodStreams:
    """Answers for the streams of pods."""

    def __init__(self, supervisor: Supervisor, runtime: Runtime) -> None:
        self._supervisor = supervisor
        self._runtime = runtime

    # --- log ------------------------------------------------------------------------------------------------------

    def log(self, call: Call) -> Streamed:
        """``pods/log``. Raises ApiError."""
        pod = self._pod(call)
        options = log_options(call)
        name = _container_name(pod, call.query.get("container", ""))
        wanted = logged_instance(pod, name, previous=flag(call.query, "previous"))
        try:
            instance = self._runtime.container_status(wanted)
        except ContainerNotFoundError as error:
            raise bad_request(f"unable to retrieve container logs for pyrt://{wanted}") from error
        path = translate.log_directory(pod, self._supervisor.facts) / instance.config.log_path
        running = wanted if instance.state is ContainerState.RUNNING else None
        return Streamed(self._lines(path, options, running), "text/plain")

    async def _lines(self, path: Any, options: LogOptions, running: ContainerId | None) -> AsyncIterator[bytes]:
        stopped = asyncio.Event()
        if running is None or not options.follow:
            stopped.set()
            with _told(path):
                async for piece in read_log(path, options, stopped):
                    yield piece
            return
        end = asyncio.create_task(self._wait(running, stopped))
        try:
            with _told(path):
                async for piece in read_log(path, options, stopped):
                    yield piece
        finally:
            end.cancel()
            await asyncio.gather(end, return_exceptions=True)

    async def _wait(self, container_id: ContainerId, stopped: asyncio.Event) -> None:
        try:
            with contextlib.suppress(PyrtError):  # it was removed
                await self._runtime.wait_container(container_id)
        finally:
            stopped.set()

    # --- exec and attach ------------------------------------------------------------------------------------------

    async def exec(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        """``pods/exec``. Raises ApiError before the upgrade."""
        command = tuple(call.repeated.get("command", ()))
        if not command:
            raise bad_request("you must specify at least one command for the container")
        container = self._running(self._pod(call), call)
        wanted = _stream_flags(call)
        stdin, stdout, stderr, tty = wanted.stdin, wanted.stdout, wanted.stderr, wanted.tty

        async def begin() -> Session:
            return await self._runtime.exec(
                container.id, command, stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty
            )

        shown_on = STDOUT if tty else STDERR if stderr else None
        conversation = Conversation(begin, outcomes.exit_status, lambda error: _refused(error, shown_on))
        with _upgrading():
            return await remote_command(request, wanted, conversation, _TIMEOUTS)

    async def attach(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        """``pods/attach``. Raises ApiError before the upgrade."""
        container = self._running(self._pod(call), call)
        wanted = _stream_flags(call)
        stdin, stdout, stderr, tty = wanted.stdin, wanted.stdout, wanted.stderr, wanted.tty
        if stdin and not container.config.stdin:
            raise bad_request(f"container {container.config.name} has no stdin: set stdin: true in the pod")
        if tty and not container.config.tty:
            raise bad_request(f"container {container.config.name} has no terminal: set tty: true in the pod")

        async def begin() -> Session:
            return await self._runtime.attach(container.id, stdin=stdin, stdout=stdout, stderr=stderr and not tty)

        conversation = Conversation(begin, outcomes.success, lambda error: _refused(error, None))
        with _upgrading():
            return await remote_command(request, wanted, conversation, _TIMEOUTS)

    # --- port forwarding ------------------------------------------------------------------------------------------

    async def portforward(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        """``pods/portforward``. Raises ApiError before the upgrade."""
        pod = self._pod(call)
        ports = [_port(text) for value in call.repeated.get("ports", ()) for text in value.split(",")]
        sandboxes = self._supervisor.sandboxes(pod.metadata.uid)
        if pod.status.phase != "Running" or not sandboxes:
            raise bad_request(f"unable to forward port because pod is not running. Current status={pod.status.phase}")
        with _upgrading():
            return await forward_ports(
                request, ports, lambda port: self._runtime.connect(sandboxes[-1], port), _TIMEOUTS
            )

    # --- finding --------------------------------------------------------------------------------------------------

    def _pod(self, call: Call) -> Pod:
        pod = self._supervisor.find(call.route.namespace, call.route.name)
        if pod is None:
            raise not_found("pods", call.route.name)
        return pod

    def _instances(self, pod: Pod) -> list[ContainerStatus]:
        return [
            status
            for sandbox_id in self._supervisor.sandboxes(pod.metadata.uid)
            for status in self._runtime.list_containers(sandbox_id)
        ]

    def _running(self, pod: Pod, call: Call) -> ContainerStatus:
        name = _container_name(pod, call.query.get("container", ""))
        for status in self._instances(pod):
            if status.config.name == name and status.state is ContainerState.RUNNING:
                return status
        if pod.status.phase in ("Succeeded", "Failed"):
            raise bad_request(f"cannot exec into a container in a completed pod; current phase is {pod.status.phase}")
        raise ApiError(
            404, "NotFound", f'unable to upgrade connection: container not found ("{name}")', StatusDetails()
        )


def logged_instance(pod: Pod, name: str, *, previous: bool) -> ContainerId:
    """The instance whose log is meant (kubelet, validateContainerLogStatus): of a container that waits, the last one.

    Raises
    ------
    ApiError: 400, there is no such instance (yet).
    """
    status = pod.status
    everyone = (*status.container_statuses, *status.init_container_statuses, *status.ephemeral_container_statuses)
    found = next((container for container in everyone if container.name == name), None)
    if found is None:
        raise bad_request(_waiting_text(pod, name))
    last, now = found.last_state.terminated, found.state
    if previous:
        if last is None:
            raise bad_request(f'previous terminated container "{name}" in pod "{pod.metadata.name}" not found')
        chosen = last.container_id
    elif now.terminated is not None:
        chosen = now.terminated.container_id
    elif now.running is not None:
        chosen = found.container_id
    elif last is not None:
        chosen = last.container_id
    else:
        chosen = ""
    if not chosen:
        raise bad_request(_waiting_text(pod, name))
    return ContainerId(chosen.removeprefix(RUNTIME_SCHEME))


def log_options(call: Call) -> LogOptions:
    """What of a log is wanted. Raises ApiError 400."""
    query = call.query
    seconds = integer(query, "sinceSeconds", minimum=1)
    moment = query.get("sinceTime", "")
    if seconds is not None and moment:
        raise bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
    since = time.time_ns() - seconds * 1_000_000_000 if seconds is not None else None
    if moment:
        try:
            since = parse_time(moment.encode())
        except (ValueError, UnicodeError) as error:
            raise bad_request(f"sinceTime: Invalid value: {moment!r}: {error}") from error
    stream = query.get("stream", "")
    if stream not in _STREAMS:
        raise bad_request(f'stream: Unsupported value: "{stream}": supported values: "All", "Stdout", "Stderr"')
    return LogOptions(
        follow=flag(query, "follow"),
        timestamps=flag(query, "timestamps"),
        since=since,
        tail=integer(query, "tailLines", minimum=0),
        limit_bytes=integer(query, "limitBytes", minimum=1),
        streams=_STREAMS[stream],
    )


def _container_name(pod: Pod, asked: str) -> str:
    spec = pod.spec
    regular = [container.name for container in spec.containers]
    inits = [container.name for container in spec.init_containers]
    others = [container.name for container in spec.ephemeral_containers]
    if asked:
        if asked not in (*regular, *inits, *others):
            raise bad_request(f"container {asked} is not valid for pod {pod.metadata.name}")
        return asked
    preferred = pod.metadata.annotations.get(_DEFAULT_CONTAINER, "")
    if preferred in regular:
        return preferred
    if len(regular) == 1 and not inits and not others:
        return regular[0]
    if len(regular) == 1:
        return regular[0]
    text = f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{' '.join(regular)}]"
    if inits:
        text += f" or one of the init containers: [{' '.join(inits)}]"
    raise bad_request(text)


def _waiting_text(pod: Pod, name: str) -> str:
    statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses)
    for status in statuses:
        if status.name == name and status.state.waiting is not None:
            reason = status.state.waiting.reason or "ContainerCreating"
            detail = "trying and failing to pull image" if reason in ("ErrImagePull", "ImagePullBackOff") else reason
            verb = "" if detail is not reason else "waiting to start: "
            return f'container "{name}" in pod "{pod.metadata.name}" is {verb}{detail}'
    return f'container "{name}" in pod "{pod.metadata.name}" is waiting to start: ContainerCreating'


def _stream_flags(call: Call) -> Wanted:
    stdin, stdout, stderr, tty = (flag(call.query, name) for name in ("stdin", "stdout", "stderr", "tty"))
    if not (stdin or stdout or stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return Wanted(stdin, stdout, stderr, tty)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise bad_request(f"ports: Invalid value: {text!r}: must be between 1 and 65535, inclusive")
    return int(text)


def _refused(error: PyrtError, shown_on: int | None) -> Refused:
    """A command that could not be started has an exit code, as a shell would say; its reason is shown besides."""
    code = getattr(error, "exit_code", None)
    return Refused(outcomes.failed(str(error), code=code), str(error), shown_on if code is not None else None)


@contextlib.contextmanager
def _upgrading() -> Iterator[None]:
    """A request for a protocol that is not spoken here."""
    try:
        yield
    except UpgradeRefusedError as error:
        reason = "Forbidden" if error.code == 403 else "BadRequest"
        raise ApiError(error.code, reason, str(error)) from error
