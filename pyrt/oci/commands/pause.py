"""``pyrt-oci pause``."""

from __future__ import annotations

from pyrt.oci import cgroup
from pyrt.oci.errors import NotRunningError, OciError
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly
from pyrt.oci.state import Directory
from pyrt.oci.status import CREATED, RUNNING, STOPPED, status

USAGE = "<container-id>"
FLAGS: tuple[str, ...] = ()


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Have every process of a container stand still (the cgroup's freezer)."""
    del options
    (id_,) = exactly(words, 1, USAGE)
    directory = Directory.open(global_.root, id_)
    directory.lock()
    state = directory.read()
    word = status(directory, state)
    if word == STOPPED:
        raise NotRunningError
    if word not in (RUNNING, CREATED):
        raise OciError(f"container not running or created: {word}")
    cgroup.driver(state.cgroup).freeze(state.cgroup.path)
    return 0
