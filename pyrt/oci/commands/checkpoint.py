"""``pyrt-oci checkpoint``: by CRIU, where it is."""

from __future__ import annotations

import os

from pyrt.oci.criu import Criu
from pyrt.oci.errors import NotRunningError
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly
from pyrt.oci.state import Directory
from pyrt.oci.status import CREATED, STOPPED, status

USAGE = "<container-id>"
FLAGS = (
    "image-path =",
    "work-path =",
    "parent-path =",
    "leave-running",
    "tcp-established",
    "tcp-skip-in-flight",
    "link-remap",
    "ext-unix-sk",
    "shell-job",
    "lazy-pages",
    "status-fd =",
    "page-server =",
    "file-locks",
    "pre-dump",
    "manage-cgroups-mode =",
    "empty-ns *",
    "auto-dedup",
)


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Write a container's processes to files, and end them unless ``--leave-running``."""
    (id_,) = exactly(words, 1, USAGE)
    criu = Criu(global_.criu)
    directory = Directory.open(global_.root, id_)
    directory.lock()
    state = directory.read()
    if status(directory, state) in (STOPPED, CREATED):
        raise NotRunningError
    images = options.text("image-path", os.path.join(os.getcwd(), "checkpoint"))
    criu.dump(directory, state, options, images)
    return 0
