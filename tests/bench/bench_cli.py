"""``pyrt get pods`` as a whole process against ``python -c 'import click'``."""

from __future__ import annotations

import subprocess
import sys

import daemon
import harness


def main() -> None:
    with harness.scratch() as directory:
        rootfs = harness.busybox_root(directory)
        with daemon.daemon(directory, rootfs) as server:
            get = [sys.executable, "-m", "pyrt.cli", "--socket", str(server.socket), "get", "pods"]
            click = [sys.executable, "-c", "import click"]

            def call(command: list[str]) -> None:
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

            ours, peer = harness.alternate(20, lambda: call(get), lambda: call(click))
    harness.row("cli", "get_pods", ours, "ms", "python -c 'import click'", peer)


if __name__ == "__main__":
    main()
