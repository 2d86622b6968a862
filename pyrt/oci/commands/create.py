"""``pyrt-oci create``."""

from __future__ import annotations

from pyrt.oci.bundle import load
from pyrt.oci.console import connect
from pyrt.oci.creation import Request, create
from pyrt.oci.errors import OciError
from pyrt.oci.flags import Options
from pyrt.oci.log import LOG
from pyrt.oci.main import Global, exactly
from pyrt.oci.preserved import listening, preserved_descriptors
from pyrt.spec import replace

USAGE = "<container-id>"
FLAGS = (
    "bundle b =",
    "console-socket =",
    "pidfd-socket =",
    "pid-file =",
    "no-pivot",
    "no-new-keyring",
    "preserve-fds =",
    "no-subreaper",
)


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Make a container whose process waits to be started."""
    (id_,) = exactly(words, 1, USAGE)
    request = request_of(global_, options, id_, detached=True)
    created = create(request)
    created.player.go()
    created.directory.unlock()
    return 0


def request_of(global_: Global, options: Options, id_: str, *, detached: bool) -> Request:
    """What the flags that ``create`` and ``run`` share say. Raises :class:`OciError`."""
    if options.on("no-pivot"):
        raise OciError("a container without pivot_root can leave its root: not supported", operation="--no-pivot")
    if global_.systemd_cgroup:
        raise OciError("there is no systemd driver", operation="--systemd-cgroup")
    request = Request(global_.root, id_, load(options.text("bundle")))
    process = request.bundle.config.process
    assert process is not None
    socket = options.text("console-socket")
    if detached and process.terminal and not socket:
        raise OciError("cannot allocate tty if pyrt-oci will detach without setting console socket")
    if socket and not (detached and process.terminal):
        raise OciError("cannot use console socket if pyrt-oci will not detach or allocate tty")
    if socket:
        request.console_socket = connect(socket)
    request.pid_file = options.text("pid-file")
    request.pidfd_socket = options.text("pidfd-socket")
    passed = listening()
    if passed:  # sd_listen_fds(3): for whoever is process 1 there
        told = replace(process, env=(*process.env, f"LISTEN_FDS={passed}", "LISTEN_PID=1"))
        request.bundle.config = replace(request.bundle.config, process=told)
    if options.on("no-new-keyring"):
        LOG.warning("--no-new-keyring: every container has a session keyring of its own")
    request.preserved = preserved_descriptors(options.number("preserve-fds"))
    return request
