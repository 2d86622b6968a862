"""Images: references, registries, the content store, unpacking, import and export."""
