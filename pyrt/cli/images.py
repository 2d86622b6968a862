"""Where the daemon serves images, and how they are called in tables."""

from __future__ import annotations

from typing import Any

IMAGES = "/apis/pyrt.dev/v1/images"
IMAGE = "/apis/pyrt.dev/v1/image"

Object = dict[str, Any]


def short_id(digest: str) -> str:
    """The first twelve digits of a digest."""
    return digest.partition(":")[2][:12] or digest[:12]


def rows_of(image: Object) -> list[tuple[str, str]]:
    """(repository, tag) for each name of an image; ``<none>`` for an image without."""
    pairs = [name.rpartition(":")[::2] for name in image.get("repoTags") or ()]
    if not pairs:
        pairs = [(name.partition("@")[0], "<none>") for name in image.get("repoDigests") or ()] or [
            ("<none>", "<none>")
        ]
    return pairs
