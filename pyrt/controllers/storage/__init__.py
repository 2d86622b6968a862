"""Claims and volumes: binding, provisioning of directories, reclaiming, protection.

:mod:`.rounds` decides (pure), :mod:`.matching` says which volume suits a claim, :mod:`.controller` carries out.
"""

from pyrt.controllers.storage.controller import StorageController
from pyrt.controllers.storage.model import PROVISIONER

__all__ = ["PROVISIONER", "StorageController"]
