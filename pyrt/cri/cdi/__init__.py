"""CDI, the Container Device Interface: devices of a vendor by name, and what a container needs to use one
(cncf-tags/container-device-interface, SPEC.md, up to 1.1.0).
"""

from pyrt.cri.cdi.edits import with_devices
from pyrt.cri.cdi.registry import DIRECTORIES, asked_by, resolve

__all__ = ["DIRECTORIES", "asked_by", "resolve", "with_devices"]
