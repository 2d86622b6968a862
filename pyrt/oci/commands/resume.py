"""``pyrt-oci resume``."""

from __future__ import annotations

from pyrt.oci import cgroup
from pyrt.oci.errors import OciError
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly
from pyrt.oci.state import Directory
from pyrt.oci.status import PAUSED, status

USAGE = "<container-id>"
FLAGS: tuple[str, ...] = ()


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Let a container's processes go on."""
    del options
    (id_,) = exactly(words, 1, USAGE)
    directory = Directory.open(global_.root, id_)
    directory.lock()
    state = directory.read()
    if status(directory, state) != PAUSED:
        raise OciError("container not paused")
    cgroup.driver(state.cgroup).thaw(state.cgroup.path)
    return 0
