"""Programs built from Debian's source packages: fetched and verified by apt, built once, kept by version."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def compile_static(cache: Path, source: Path) -> Path:
    """One C file as a static program, built again when the file is newer."""
    program = cache / source.stem
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        cache.mkdir(parents=True, exist_ok=True)
        _quietly(["cc", "-static", "-O2", "-s", "-Wall", "-Wextra", "-o", str(program), str(source)], cache)
    return program


def busybox(cache: Path) -> Path:
    """Debian's busybox with upstream's default configuration, static.

    busybox-static lacks applets (pgrep, ipcs), and its shell runs applets without exec(2), so that what is mounted
    over /bin/ls changes nothing.
    """
    cache.mkdir(parents=True, exist_ok=True)
    built = sorted(cache.glob("busybox-*"), key=os.path.getmtime)
    if built:
        return built[-1]
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        tree, version = _unpacked("busybox", Path(scratch))
        # tc does not compile with the headers of Linux 6.8 and later, which dropped what it configures.
        _configure(tree, {"CONFIG_STATIC": "y", "CONFIG_TC": "n"})
        _quietly(["make", f"-j{os.cpu_count() or 1}", "busybox"], tree)
        program = cache / f"busybox-{version}"
        shutil.copy(tree / "busybox", f"{program}.new")
        Path(f"{program}.new").rename(program)
    return program


def _configure(tree: Path, choices: Mapping[str, str]) -> None:
    _quietly(["make", "defconfig"], tree)
    config = tree / ".config"
    lines = config.read_text().splitlines()
    names = {f"# {name} is not set": name for name in choices} | {f"{name}=y": name for name in choices}
    config.write_text("".join(f"{f'{names[x]}={choices[names[x]]}' if x in names else x}\n" for x in lines))


def _unpacked(package: str, scratch: Path) -> tuple[Path, str]:
    """The source tree of a package and its version. The machine's own lists need not know sources: these do."""
    lists = scratch / "lists"
    (lists / "partial").mkdir(parents=True)
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    sources = scratch / "sources.list"
    sources.write_text("".join(f"deb-src {signed}{mirror}\n" for mirror in _mirrors()))
    options = [
        f"Dir::Etc::SourceList={sources}",
        "Dir::Etc::SourceParts=/dev/null",
        f"Dir::State::Lists={lists}",
        f"Dir::Cache={scratch}/cache",
        "APT::Sandbox::User=root",
    ]
    apt = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
    _quietly([*apt, "update"], scratch)
    _quietly([*apt, "source", "--download-only", package], scratch)
    (description,) = scratch.glob("*.dsc")
    # apt has verified it against the signed lists.
    _quietly(["dpkg-source", "--no-check", "-x", description.name, "tree"], scratch)
    return scratch / "tree", description.stem.partition("_")[2]


def _mirrors() -> list[str]:
    """``http://deb.debian.org/debian bookworm main``: where the machine's Debian packages come from."""
    template = "$(SITE) $(RELEASE) $(COMPONENT)|$(ORIGIN)"
    command = ["apt-get", "indextargets", "--format", template, "Created-By: Packages"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {line.partition("|")[0] for line in lines if line.endswith("|Debian") and " main|" in line}
    return sorted(mirror for mirror in found if "-" not in mirror.split()[1]) or sorted(found)


def _quietly(command: Sequence[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}")
