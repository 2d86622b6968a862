"""``pyrt-oci list``."""

from __future__ import annotations

import sys

from pyrt import quickjson
from pyrt.oci.commands.state import document
from pyrt.oci.errors import OciError
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly
from pyrt.oci.state import Directory, containers

USAGE = ""
FLAGS = ("format f =", "quiet q")
_COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Print every container of the root."""
    exactly(words, 0, USAGE)
    form = options.text("format", "table")
    if form not in ("table", "json"):
        raise OciError("invalid format option")
    found = []
    for id_ in containers(global_.root):
        try:
            directory = Directory.open(global_.root, id_)
            found.append(document(directory, directory.read()))
        except OciError as error:
            sys.stderr.write(f"load container {id_}: {error}\n")
    if options.on("quiet"):
        sys.stdout.write("".join(f"{item['id']}\n" for item in found))
    elif form == "json":
        sys.stdout.write((quickjson.dumps(found) if found else "null") + "\n")
    else:
        sys.stdout.write(_table(found))
    return 0


def _table(found: list[dict[str, object]]) -> str:
    rows = [_COLUMNS]
    for item in found:
        owner = item["owner"] or "root"
        rows.append(
            (
                str(item["id"]),
                str(item["pid"]),
                str(item["status"]),
                str(item["bundle"]),
                str(item["created"]),
                str(owner),
            )
        )
    widths = [max(12, *(len(row[column]) + 3 for row in rows)) for column in range(len(_COLUMNS) - 1)]
    return "".join(
        "".join(f"{cell:{width}}" for cell, width in zip((*row,), (*widths, 0), strict=True)) + "\n" for row in rows
    )
