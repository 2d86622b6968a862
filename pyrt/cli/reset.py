"""``pyrt system reset``: the way back, from pods down to sysctls."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import socket
import struct
from collections.abc import Iterator

from pyrt.cli.failure import CliError
from pyrt.cli.session import Session
from pyrt.cli.waiting import until_gone
from pyrt.client.api import Api
from pyrt.client.errors import ApiError, UnreachableError
from pyrt.client.http import connect
from pyrt.client.resources import POD
from pyrt.config import Config

MIRROR = "kubernetes.io/config.mirror"
PATIENCE = 30
"""Seconds until a daemon that was told to stop is given up."""


def reset(session: Session, config: Config, *, data: bool) -> Iterator[str]:
    """Undo everything, a line for each step done. Raises :class:`CliError` where it cannot go on."""
    if os.geteuid() != 0:
        raise CliError("only root can do this")
    path = str(config.api_socket)
    api = Api(path)
    try:
        api.get("/version")
    except UnreachableError:
        yield "no daemon runs"
    else:
        yield from _delete_pods(api)
        yield from _stop_daemon(path)
    yield from _kernel(config)
    from pyrt.volumes.memory import unmount

    if unmount(config.paths.run / "volumes"):
        yield f"unmounted {config.paths.run / 'volumes'}"
    if config.paths.run.is_dir():
        shutil.rmtree(config.paths.run)
        yield f"removed {config.paths.run}"
    if data and config.paths.root.is_dir():
        shutil.rmtree(config.paths.root)
        yield f"removed {config.paths.root}"


def _delete_pods(api: Api) -> Iterator[str]:
    pods = api.get(POD.path(None)).get("items") or []
    api.call("POST", "/apis/pyrt.dev/v1/system/end-static-pods")  # which the API deletes in no other way
    for pod in pods:
        metadata = pod["metadata"]
        if MIRROR in (metadata.get("annotations") or {}):
            continue
        try:
            api.call("DELETE", POD.path(metadata["namespace"], metadata["name"]), {"gracePeriodSeconds": 0})
        except ApiError as error:
            if error.code != 404:
                raise
    for pod in pods:
        metadata = pod["metadata"]
        until_gone(api, POD, metadata["namespace"], metadata["name"], metadata.get("uid", ""))
        yield f'pod "{metadata["namespace"]}/{metadata["name"]}" force deleted'
    ended = api.call("POST", "/apis/pyrt.dev/v1/system/end-kubelets-pods")["ended"]
    if ended:
        yield f"removed {ended} pod{'s' if ended != 1 else ''} of a kubelet's"


def _stop_daemon(path: str) -> Iterator[str]:
    with connect(path) as sock:
        # unix(7): whoever listens.
        pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        process = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        poller = select.poll()
        poller.register(process, select.POLLIN)
        if not poller.poll(PATIENCE * 1000):
            raise CliError(f"the daemon (pid {pid}) does not end; is there a unit that keeps it running?")
    finally:
        os.close(process)
    yield f"stopped the daemon (pid {pid})"


def _kernel(config: Config) -> Iterator[str]:
    from pyrt.cgroups.open import open_driver
    from pyrt.network.cni import CniError, CniNetwork
    from pyrt.network.network import Network
    from pyrt.store import Store

    if config.paths.root.is_dir():
        with Store(config.paths.root) as store:
            Network(config, store).uninstall()
            networks = CniNetwork(config, store)
            networks.start()
            try:
                asyncio.run(networks.uninstall())
            except CniError as error:
                yield f"not all CNI networks could be taken down: {error}"
        yield f"removed links and the nftables table {config.network.nft_table}, put the sysctls back"
    if not open_driver(config.cgroup.driver, config.cgroup.parent).remove(""):
        raise CliError(f"processes are left in the cgroup {config.cgroup.parent}; end them and run this again")
    yield f"removed the cgroup {config.cgroup.parent}"
