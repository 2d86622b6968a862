"""``pyrt-oci start``."""

from __future__ import annotations

from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly
from pyrt.oci.starting import start
from pyrt.oci.state import Directory

USAGE = "<container-id>"
FLAGS: tuple[str, ...] = ()


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Let a created container's process execute its program."""
    del options
    (id_,) = exactly(words, 1, USAGE)
    directory = Directory.open(global_.root, id_)
    directory.lock()
    start(directory, directory.read())
    return 0
