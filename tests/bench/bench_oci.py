"""``pyrt-oci run`` of a bundle of ``true``, start-up included, and its peers on the same bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import harness

ROUNDS = 20


def main() -> None:
    ours = Path(sys.executable).with_name("pyrt-oci")
    with harness.scratch() as directory:
        place = harness.bundle(directory, harness.busybox_root(directory))
        count = iter(range(1 << 20))

        def call(runtime: str) -> None:
            name = f"bench-{os.getpid()}-{next(count)}"
            subprocess.run([runtime, "run", "--bundle", str(place), name], check=True, stdin=subprocess.DEVNULL)

        medians = harness.alternate(
            ROUNDS,
            lambda: call(str(ours)),
            lambda: call("runc"),
            lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        )
        crun = harness.oci_run_times("crun", place, ROUNDS)
    harness.row("oci", "run", medians[0], "ms", "runc run", medians[1])
    harness.row("oci", "run", medians[0], "ms", "crun run", sorted(crun)[len(crun) // 2])
    harness.row("oci", "run", medians[0], "ms", "python -c pass", medians[2])


if __name__ == "__main__":
    main()
