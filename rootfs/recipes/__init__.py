"""One file an image (or a family of them). Each has ``build(kit)``, and ``NAMES`` for ``rootfs/build.py --list``."""
