"""Pull and unpack of an image of 300 MiB in 20,000 files from a loopback registry: ours, skopeo + umoci, podman.

Each is measured until its files are there to be mounted. Nothing is deleted before the end: ext4 is slow to find inodes
where many have been freed in the last minutes, and that would be the measure of whoever comes next.
The compressed layers are kept on disk by us and by skopeo, not by podman.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import harness

sys.path.insert(0, str(harness.ROOT))

from pyrt.config.images import Images, Mirror
from pyrt.images.service import ImageService
from pyrt.images.types import PullPolicy
from pyrt.store import Store
from rootfs import build, registry

ROUNDS = int(os.environ.get("PYRT_BENCH_ROUNDS", "3"))
NAME = "pyrt/big"


def layout() -> Path:
    """The big image, built once and kept."""
    out = harness.ROOT / ".cache/rootfs/images-big"
    if not (out / "index.json").exists():
        harness.note("building the image of 300 MiB")
        build.build(out, ("big",), harness.ROOT / ".cache/rootfs")
    return out


def ours(directory: Path, port: int) -> float:
    """Milliseconds in a service that is already running, as the daemon's is."""
    root = directory
    settings = Images(mirrors={"docker.io": Mirror(url=f"http://127.0.0.1:{port}")}, auth_file=Path("/nonexistent"))

    async def pull() -> float:
        with Store(root) as store:
            images = ImageService(root, settings, store)
            await images.start()
            await images.pull("pyrt/small")  # Imports what a running daemon has imported.
            started = time.perf_counter()
            image = await images.pull(NAME, policy=PullPolicy.ALWAYS)
            taken = (time.perf_counter() - started) * 1e3
            assert len(image.layers) == 3
            await images.close()
            return taken

    return asyncio.run(pull())


def skopeo_and_umoci(directory: Path, port: int) -> float:
    place = directory

    def pull() -> None:
        source = f"docker://127.0.0.1:{port}/{NAME}:latest"
        harness.run("skopeo", "copy", "-q", "--src-tls-verify=false", source, f"oci:{place}/image:latest")
        harness.run("umoci", "unpack", "--image", f"{place}/image:latest", f"{place}/bundle")

    return harness.milliseconds(pull)


def podman(directory: Path, port: int) -> float:
    place = directory
    name = f"127.0.0.1:{port}/{NAME}:latest"
    roots = ("--root", f"{place}/root", "--runroot", f"{place}/run", "--tmpdir", f"{place}/tmp")
    command = ("podman", *roots, "--storage-driver", "overlay", "pull", "-q", "--tls-verify=false", name)
    taken = harness.milliseconds(lambda: harness.run(*command))
    # The storage library leaves a bind mount of its own directory.
    overlay = place / "root/overlay"
    if overlay.is_mount():
        harness.run("umount", str(overlay))
    return taken


def small(directory: Path) -> Path:
    """An image of nothing, for the warm-up."""
    from rootfs.layer import Layer
    from rootfs.layout import Image, Layout

    made = Layout(directory / "small", "amd64")
    made.name(made.image(Image([Layer().directory("x")])), "docker.io/pyrt/small:latest")
    made.close()
    return made.root


def main() -> None:
    with harness.scratch() as directory:
        port = registry.free_port()
        big = layout()
        registry.start(directory / "registry", port)
        try:
            for each in (small(directory), big):
                registry.push(each, f"http://127.0.0.1:{port}")
            runners: list[Callable[[Path, int], float]] = [ours, skopeo_and_umoci, podman]
            times: list[list[float]] = [[] for _ in runners]
            for number in range(ROUNDS + 1):
                for runner, taken in zip(runners, times, strict=True):
                    os.sync()
                    place = directory / f"{runner.__name__}-{number}"
                    place.mkdir()
                    milliseconds = runner(place, port)
                    harness.note(f"{runner.__name__}: {milliseconds:.0f} ms{'' if number else ' (warm-up)'}")
                    if number:
                        taken.append(milliseconds)
        finally:
            registry.stop(directory / "registry")
    mine, *peers = (statistics.median(taken) for taken in times)
    for peer, value in zip(("skopeo + umoci", "podman pull"), peers, strict=True):
        harness.row("pull", "pull_300mib_20000_files", mine, "ms", peer, value)


if __name__ == "__main__":
    main()
