"""image: the content of a container image (or any OCI artifact with layers), read-only.

Pulling is the pods layer's, which has the registries' credentials; what was pulled comes in ``context.images``. The
layers are put on top of one another in the pod's own mount namespace, where its containers find them: nothing is
copied.
"""

from __future__ import annotations

import os
from pathlib import Path

from pyrt.ids import ImageId
from pyrt.kube.volumes import Volume
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.removal import remove_directory
from pyrt.volumes.types import PreparedVolume, VolumeContext


class ImageVolume:
    """The image is noted beside the volume: for the life of the pod it stays the same one, whatever its name comes to
    mean.
    """

    kind = "image"
    on_loop = True

    def plan(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """See :class:`pyrt.volumes.types.VolumeType`; without the image, a name stands for its layers."""
        reference = volume.image.reference if volume.image is not None else ""
        content = context.images.get(volume.name)
        return PreparedVolume(
            volume.name,
            self.kind,
            context.directory / volume.name,
            makes_sub_paths=False,
            read_only=True,
            layers=content.layers if content is not None else (Path(f"/<layers of {reference}>"),),
            image=content.id if content is not None else None,
            image_ref=content.digest if content is not None else "",
        )

    def prepare(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """Make the mount point, and note which image it is."""
        prepared = self.plan(volume, context)
        if prepared.image is None:
            raise VolumeError("the image has not been pulled", subject=f"volume {volume.name}")
        try:
            os.makedirs(prepared.path, 0o755, exist_ok=True)
            note = note_of(context.directory, volume.name)
            note.write_text(prepared.image)
        except OSError as error:
            raise VolumeError(
                subject=f"volume {volume.name}", operation=f"create {error.filename}", errno=error.errno
            ) from error
        return prepared

    def teardown(self, volume: Volume, context: VolumeContext) -> None:
        """Remove the mount point."""
        try:
            remove_directory(context.directory / volume.name)
            note_of(context.directory, volume.name).unlink(missing_ok=True)
        except OSError as error:
            raise VolumeError(
                subject=f"volume {volume.name}", operation=f"remove {error.filename}", errno=error.errno
            ) from error


def note_of(directory: Path, name: str) -> Path:
    """Where the image of a volume is noted; volumes' names have no dots."""
    return directory / f"{name}.image"


def noted(directory: Path, name: str) -> ImageId | None:
    """The image that a volume was made from, ``None`` if it has not been made."""
    try:
        return ImageId(note_of(directory, name).read_text())
    except OSError:
        return None
