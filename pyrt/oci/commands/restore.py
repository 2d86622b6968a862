"""``pyrt-oci restore``: by CRIU, where it is."""

from __future__ import annotations

from pyrt.oci.commands import checkpoint
from pyrt.oci.criu import Criu
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly

USAGE = "<container-id>"
FLAGS = (
    *(flag for flag in checkpoint.FLAGS if flag.split()[0] not in ("leave-running", "pre-dump", "page-server")),
    "bundle b =",
    "detach d",
    "pid-file =",
    "console-socket =",
    "no-subreaper",
    "no-pivot",
    "lsm-profile =",
    "lsm-mount-context =",
)


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Make a container of the files that ``checkpoint`` has written."""
    (id_,) = exactly(words, 1, USAGE)
    return Criu(global_.criu).restore(global_.root, id_, options)
