"""Cgroups that somebody else answers for: a kubelet's pod, named from the root of each hierarchy (``/kubepods/...``).

Whoever made one removes it. What a caller names and is not there is made, and then it is ours to remove, when nothing
is left in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from pyrt.cgroups.errors import CgroupError


def is_foreign(path: str) -> bool:
    """Whether a cgroup's name counts from the root, not from the configured parent."""
    return path.startswith("/")


def make_missing(mount: str, path: str, prepare: Callable[[str, str], None]) -> list[str]:
    """Make what is missing of ``path`` below ``mount``; the answer is what was made, outermost first.

    ``prepare`` is called with the directory above and the new one. Raises :class:`CgroupError`.
    """
    made, above, name = [], mount, ""
    for part in path.strip("/").split("/"):
        name = f"{name}/{part}"
        directory = f"{mount}{name}"
        try:
            os.mkdir(directory, 0o755)
        except FileExistsError:
            pass
        except OSError as error:
            raise CgroupError(operation=f"create cgroup {directory}", errno=error.errno) from error
        else:
            made.append(name)
            prepare(above, directory)
        above = directory
    return made


def remove_empty(mounts: Sequence[str], paths: Sequence[str]) -> bool:
    """Remove ``paths``, the last first, from each hierarchy, and nothing else. ``False`` if one is not empty."""
    busy = False
    for mount in mounts:
        for path in reversed(paths):
            try:
                os.rmdir(f"{mount}{path}")
            except FileNotFoundError:
                continue
            except OSError:
                busy = True
                break
    return not busy
