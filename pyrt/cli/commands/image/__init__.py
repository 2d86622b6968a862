"""``pyrt image``: one module a subcommand."""

from __future__ import annotations

from pyrt.cli.command import Entry, LazyGroup

SECTION = "Commands"

command = LazyGroup(
    "image",
    package="pyrt.cli.commands.image",
    entries=(
        Entry("pull", "Pull images from their registries", SECTION),
        Entry("ls", "List the images on this machine", SECTION, aliases=("list",)),
        Entry("inspect", "Show everything known about images", SECTION),
        Entry("rm", "Remove names of images, and images without one", SECTION, aliases=("remove", "rmi")),
        Entry(
            "import", "Add the images of an OCI layout or docker archive", SECTION, module="import_", aliases=("load",)
        ),
        Entry("save", "Write images into an archive or an OCI layout", SECTION),
        Entry("prune", "Remove the images that no pod uses", SECTION),
    ),
    help="Pull, list, import, save and remove images.",
    params=[],
)
