"""The image of the pull benchmark: about 300 MiB in 20,000 files, three layers. The same bytes on every machine."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from rootfs.layer import Layer
from rootfs.layout import Image

if TYPE_CHECKING:
    from rootfs.build import Kit

NAMES = ("docker.io/pyrt/big:latest",)

_FILES_A_DIRECTORY = 50
_SIZES = (900, 3000, 9000, 16000, 50000)
_DIRECTORIES = (200, 120, 80)
"""Of each layer."""


def build(kit: Kit) -> None:
    """Content that compresses about as programs do: words of a fixed vocabulary in random order."""
    source = random.Random(20231114)
    words = [source.randbytes(source.randint(2, 12)) for _ in range(5000)]
    pool = b"".join(source.choices(words, k=400_000))
    layers = []
    for number, directories in enumerate(_DIRECTORIES):
        layer = Layer().directory("srv")
        for directory in range(directories):
            path = f"srv/layer{number}-{directory:03}"
            layer.directory(path)
            for file in range(_FILES_A_DIRECTORY):
                size = source.choice(_SIZES)
                start = source.randrange(len(pool) - size)
                layer.file(f"{path}/{file:02}.bin", pool[start : start + size], uid=1000 if file % 5 == 0 else 0)
        layers.append(layer)
    kit.layout.name(kit.layout.image(Image(layers, {"Cmd": ["/none"]}, "gzip-fast")), *NAMES)
