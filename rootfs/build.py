#!/usr/bin/env python3
"""Build images into an OCI layout directory.

rootfs/build.py --out DIR [RECIPE...]    RECIPE is a file of rootfs/recipes without .py; if none is named, those of the
                                         demo and the integration tests

The layout can be imported, pushed (scripts/registry push), or named as a mirror in the configuration.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rootfs.debian import Packages  # noqa: E402
from rootfs.layout import Layout  # noqa: E402

DEFAULT_RECIPES = ("busybox", "nginx", "tests")
CACHE = ROOT / ".cache/rootfs"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass
class Kit:
    """What a recipe works with."""

    layout: Layout
    architecture: str
    cache: Path
    scratch: Path
    _trees: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def packages(self, *names: str) -> Path:
        """A tree with these Debian packages unpacked in it."""
        if names not in self._trees:
            self._trees[names] = self.scratch / str(len(self._trees))
            Packages(self.cache / "debs").unpack(names, self._trees[names])
        return self._trees[names]


def build(out: Path, recipes: tuple[str, ...], cache: Path) -> None:
    """Build ``recipes`` into the layout ``out``, which is replaced as a whole."""
    machine = os.uname().machine
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        architecture = _ARCHITECTURES.get(machine, machine)
        kit = Kit(Layout(Path(scratch, "layout"), architecture), architecture, cache, Path(scratch, "trees"))
        for recipe in recipes:
            importlib.import_module(f"rootfs.recipes.{recipe}").build(kit)
        kit.layout.close()
        if out.exists():
            shutil.rmtree(out)
        kit.layout.root.rename(out)


def cached(recipes: tuple[str, ...]) -> Path:
    """The layout with these recipes' images, built again if a recipe is newer."""
    out = CACHE / ("images" if recipes == DEFAULT_RECIPES else "images-" + "-".join(recipes))
    made = out / "index.json"
    newest = max(path.stat().st_mtime for kind in ("*.py", "*.c") for path in (ROOT / "rootfs").rglob(kind))
    if not made.exists() or made.stat().st_mtime < newest:
        build(out, recipes, CACHE)
    return out


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("recipes", nargs="*", default=DEFAULT_RECIPES)
    arguments = parser.parse_args()
    build(arguments.out, tuple(arguments.recipes), arguments.cache)


if __name__ == "__main__":
    main()
