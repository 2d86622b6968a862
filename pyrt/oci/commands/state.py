"""``pyrt-oci state``."""

from __future__ import annotations

import sys

from pyrt import quickjson
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly
from pyrt.oci.state import Directory, State
from pyrt.oci.status import oci_state

USAGE = "<container-id>"
FLAGS: tuple[str, ...] = ()


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Print a container's state, with what runc adds to the specification's."""
    del options
    (id_,) = exactly(words, 1, USAGE)
    directory = Directory.open(global_.root, id_)
    state = directory.read()
    sys.stdout.write(quickjson.dumps(document(directory, state), "  ") + "\n")
    return 0


def document(directory: Directory, state: State) -> dict[str, object]:
    """As ``state`` and ``list`` print it."""
    found = oci_state(directory, state)
    return {
        "ociVersion": found["ociVersion"],
        "id": state.id,
        "pid": found["pid"],
        "status": found["status"],
        "bundle": state.bundle,
        "rootfs": state.rootfs,
        "created": state.created,
        **({"annotations": state.annotations} if state.annotations else {}),
        "owner": owner(directory),
    }


def owner(directory: Directory) -> str:
    """The name of the user whose container it is; empty for root, as runc has it."""
    import os

    uid = os.fstat(directory.fd).st_uid
    if uid == 0:
        return ""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
