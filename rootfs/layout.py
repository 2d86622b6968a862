"""An OCI image layout directory with many named images in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rootfs.layer import Layer, compress, digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
CREATED = "2023-11-14T22:13:20Z"


@dataclass
class Image:
    """An image to be written."""

    layers: Sequence[Layer]
    config: Mapping[str, object] = field(default_factory=dict)
    """``Cmd``, ``Env``, ``User``...: as in an image configuration."""
    compression: str = "gzip"
    architecture: str = ""
    """Empty: this machine's."""


class Layout:
    """Writes below ``root``; :meth:`close` writes the index."""

    def __init__(self, root: Path, architecture: str) -> None:
        self.root = root
        self._architecture = architecture
        self._entries: list[dict[str, object]] = []
        (root / "blobs/sha256").mkdir(parents=True, exist_ok=True)

    def _blob(self, content: bytes, media_type: str) -> dict[str, object]:
        found = digest(content)
        path = self.root / "blobs/sha256" / found.removeprefix("sha256:")
        if not path.exists():
            path.write_bytes(content)
        return {"mediaType": media_type, "digest": found, "size": len(content)}

    def image(self, image: Image) -> dict[str, object]:
        """Write the blobs of an image; returns the descriptor of its manifest."""
        layers, diff_ids = [], []
        for layer in image.layers:
            tar = layer.tar()
            diff_ids.append(digest(tar))
            layers.append(self._blob(*compress(tar, image.compression)))
        config = {
            "created": CREATED,
            "architecture": image.architecture or self._architecture,
            "os": "linux",
            "config": dict(image.config),
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created": CREATED, "created_by": "rootfs/build.py"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._blob(_json(config), OCI_CONFIG),
            "layers": layers,
        }
        return self._blob(_json(manifest), OCI_MANIFEST)

    def index(self, manifests: Sequence[dict[str, object]]) -> dict[str, object]:
        """Write an index over manifests whose descriptors have their ``platform``."""
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests)}
        return self._blob(_json(document), OCI_INDEX)

    def name(self, descriptor: dict[str, object], *names: str) -> None:
        """Give an image its canonical names."""
        for name in names:
            annotations = {"org.opencontainers.image.ref.name": name}
            self._entries.append({**descriptor, "annotations": annotations})

    def close(self) -> None:
        """Write index.json, last, and oci-layout."""
        (self.root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self._entries}
        (self.root / "index.json").write_bytes(_json(index))


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
