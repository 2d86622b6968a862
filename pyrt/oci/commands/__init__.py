"""One module a command of ``pyrt-oci``."""
