"""``pyrt-oci spec``."""

from __future__ import annotations

import os

from pyrt import quickjson
from pyrt.oci.errors import OciError
from pyrt.oci.example import example
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly

USAGE = ""
FLAGS = ("bundle b =", "rootless")


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Write an example config.json into the bundle, unless there is one."""
    del global_
    exactly(words, 0, USAGE)
    path = os.path.join(options.text("bundle", "."), "config.json")
    unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    text = quickjson.dumps(example(rootless=options.on("rootless"), unified=unified), "\t") + "\n"
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OciError("File config.json exists. Remove it first") from None
    except OSError as error:
        raise OciError(operation=f"write {path}", errno=error.errno) from error
    return 0
