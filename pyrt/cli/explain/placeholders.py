"""What stands for things that are only known once the pod runs. Recognisable in every line that uses one."""

from __future__ import annotations

from pathlib import Path

from pyrt.ids import Digest, ImageId
from pyrt.images.types import Image, ImageConfig

UID = "00000000-0000-0000-0000-000000000000"
"""metadata.uid."""
SANDBOX = "sandbox"
"""The sandbox's id, a part of paths: ``/run/pyrt/pods/<sandbox>``."""
NAME_END = "xxxxx"
"""What the names of pods that are made of a template end with."""
ENTRYPOINT = "<entrypoint of the image>"

UNKNOWN_IMAGE = "its entrypoint, environment, working directory, user and layers: the image is not on this machine"
UNKNOWN_LAYERS = "the directories of the image's layers"


def shown(directory: str) -> str:
    """A layer as it is printed: a made-up one is no path."""
    return directory.removeprefix("/") if directory.startswith("/<") else directory


def image(reference: str, known: ImageConfig | None, layers: int) -> Image:
    """An image with as many made-up layers as it has, or one if nobody knows."""
    directories = tuple(Path(f"/<layer {number + 1}>") for number in range(layers or 1))
    return Image(
        id=ImageId("<image>"),
        manifest_digest=Digest("<digest>"),
        repo_tags=(reference,),
        repo_digests=(),
        size=0,
        config=known or ImageConfig(entrypoint=(ENTRYPOINT,)),
        layers=directories,
    )
