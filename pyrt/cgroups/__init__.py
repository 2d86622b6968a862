"""Control groups: v1, hybrid and v2 behind one interface. :func:`open_driver` is the entry."""

from pyrt.cgroups.driver import SANDBOX_LEAF, CgroupDriver, Join
from pyrt.cgroups.errors import CgroupError, UnsupportedControllerError
from pyrt.cgroups.open import open_driver
from pyrt.cgroups.stats import CgroupStats

__all__ = [
    "SANDBOX_LEAF",
    "CgroupDriver",
    "CgroupError",
    "CgroupStats",
    "Join",
    "UnsupportedControllerError",
    "open_driver",
]
