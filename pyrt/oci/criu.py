"""Checkpoints by CRIU (criu(8)), as a program: what it can do here, only it knows."""

from __future__ import annotations

import os
import shutil

from pyrt.oci.errors import OciError
from pyrt.oci.flags import Options
from pyrt.oci.state import Directory, State

_SWITCHES = {
    "tcp-established": "--tcp-established",
    "tcp-skip-in-flight": "--skip-in-flight",
    "link-remap": "--link-remap",
    "ext-unix-sk": "--ext-unix-sk",
    "shell-job": "--shell-job",
    "file-locks": "--file-locks",
    "lazy-pages": "--lazy-pages",
    "auto-dedup": "--auto-dedup",
}


class Criu:
    """A program that can do it. Raises :class:`OciError` when there is none."""

    def __init__(self, program: str) -> None:
        found = shutil.which(program)
        if found is None:
            raise OciError(f"{program}: executable file not found in $PATH", operation="checkpoint")
        self._program = found

    def dump(self, directory: Directory, state: State, options: Options, images: str) -> None:
        """Write a container's processes into ``images``. Raises :class:`OciError` with the end of CRIU's log."""
        for path in {images, options.text("work-path", images)}:
            os.makedirs(path, mode=0o700, exist_ok=True)
        arguments = ["pre-dump" if options.on("pre-dump") else "dump", "--tree", str(state.pid)]
        arguments += ["--images-dir", images, "--root", state.rootfs, "--manage-cgroups=soft", "--log-file", "dump.log"]
        arguments += ["--work-dir", options.text("work-path", images), "-v4"]
        if options.given("parent-path"):
            arguments += ["--prev-images-dir", options.text("parent-path")]
        if options.on("leave-running"):
            arguments.append("--leave-running")
        arguments += [flag for name, flag in _SWITCHES.items() if options.on(name)]
        for mount in self._external_mounts(directory):
            arguments += ["--external", f"mnt[{mount}]:{mount}"]
        self._run(arguments, os.path.join(options.text("work-path", images), "dump.log"))

    def restore(self, root: str, id_: str, options: Options) -> int:
        """Not done: the state that CRIU rebuilds is not yet one that the other commands could work with."""
        raise OciError(
            f"cannot restore container {id_} below {root}: restoring is not supported, only checkpoint is",
            operation="restore",
        )

    @staticmethod
    def _external_mounts(directory: Directory) -> list[str]:
        """Binds are not in the images: who restores brings them."""
        from pyrt.oci.creation import read_config

        config = read_config(directory)
        return [mount.destination for mount in config.mounts if mount.type == "bind" or "bind" in mount.options]

    def _run(self, arguments: list[str], log: str) -> None:
        try:
            pid = os.posix_spawn(self._program, [self._program, *arguments], os.environ)
        except OSError as error:
            raise OciError(operation=f"run {self._program}", errno=error.errno) from error
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != 0:
            raise OciError(f"exit status {code}: {_end_of(log)}", operation=f"criu {arguments[0]}")


def _end_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if "Error" in line]
    except OSError:
        return "no log"
    return lines[-1] if lines else "no error in its log"
