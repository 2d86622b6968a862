"""The directories behind provisioned volumes: making them, and doing away with them. Blocks on the disk."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from pyrt.controllers.storage.errors import ProvisionError, ReclaimError
from pyrt.volumes.removal import remove_directory

TRASH: Final = ".trash"
MODE: Final = 0o777
"""Any user of a pod may write, as in an emptyDir; fsGroup narrows it. Only root gets as far as here (the root directory
is 0700)."""


def make_directory(root: Path, name: str) -> None:
    """Make the directory of a volume; one that is there already is a former attempt's. Raises ProvisionError."""
    path = root / name
    try:
        root.mkdir(mode=0o711, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, MODE)
        os.chmod(path, MODE)  # whatever the umask
    except OSError as error:
        raise ProvisionError(subject=f"volume {name}", operation=f"create {path}", errno=error.errno) from error


def throw_away(root: Path, name: str) -> None:
    """Take the directory of a volume out of the way, in one call; :func:`empty_trash` removes what is in it.

    Nothing happens when it is gone. A mount point is not moved (EBUSY). Raises ReclaimError.
    """
    trash = root / TRASH
    try:
        trash.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.rename(root / name, trash / f"{name}.{secrets.token_hex(4)}")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ReclaimError(subject=f"volume {name}", operation=f"remove {root / name}", errno=error.errno) from error


def empty_trash(root: Path) -> None:
    """Remove what was thrown away. Raises ReclaimError for what cannot be removed, after all else has been."""
    failure: ReclaimError | None = None
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(root / TRASH):
            try:
                remove_directory(Path(entry.path))
            except OSError as error:
                failure = ReclaimError(subject=f"volume {entry.name}", operation="remove", errno=error.errno)
    if failure is not None:
        raise failure


def sweep(root: Path, known: frozenset[str]) -> None:
    """Remove the empty directories of volumes that never came to be: the daemon died between the two.

    Whatever has content stays: it may be somebody's data.
    """
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(root):
            if entry.name not in known and entry.name != TRASH:
                with contextlib.suppress(OSError):
                    os.rmdir(entry.path)
