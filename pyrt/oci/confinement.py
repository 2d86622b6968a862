"""A security module's profile on a kernel that has not the module.

runtime-spec does not say what becomes of it. Engines leave the profile out on such machines, so it stands only in
bundles that somebody has written by hand or brought from elsewhere; crun runs those unconfined, runc fails. As with an
SELinux label, the container runs, and the log says that nothing confines it: what a machine cannot enforce is no reason
that is found at every start again. A kernel that has AppArmor and not the profile is an error.
"""

from __future__ import annotations

from pyrt.launch import Features
from pyrt.oci.log import LOG
from pyrt.spec import Process, replace


def enforceable(process: Process, features: Features, *, warn: bool) -> Process:
    """The process without an AppArmor profile, where the kernel has no AppArmor."""
    profile = process.apparmor_profile
    if not profile or profile == "unconfined" or features.apparmor:
        return process
    if warn:
        LOG.warning(f"this kernel has no AppArmor: profile {profile} is not enforced")
    return replace(process, apparmor_profile="")
