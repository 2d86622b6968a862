"""The end of a sandbox in a cgroup that is not ours: only what we made goes, and nothing else in it is touched."""

from __future__ import annotations

import msgspec

from pyrt.runtime.core import Core
from pyrt.runtime.records import SandboxRecord


def release_foreign(core: Core, record: SandboxRecord) -> None:
    """Remove the cgroups of a sandbox and of its containers; the pod's own, if it was not there before.

    Idempotent: what is still busy when the sandbox stops is gone when it is removed.
    """
    parent = record.config.cgroup_parent
    for name in (*core.members.get(record.id, ()), record.id):
        path = f"{parent}/{name}"
        core.sweeper.cancel(path)
        if not core.cgroups.remove(path):
            core.sweeper.later(path)
    if not record.made_cgroups:
        return
    heir = _heir(core, record)
    if heir is not None:  # it is the last one who removes them
        heir.made_cgroups = record.made_cgroups
        core.tables.put_sandbox(msgspec.structs.replace(heir, pod_pid=0))
        record.made_cgroups = ()
    elif core.cgroups.remove_made(record.made_cgroups):
        record.made_cgroups = ()


def _heir(core: Core, record: SandboxRecord) -> SandboxRecord | None:
    """Another live sandbox in what this one has made."""
    outermost = record.made_cgroups[0]
    for other in core.sandboxes.values():
        if other is record or other.stopped:
            continue
        if f"{other.config.cgroup_parent}/".startswith(f"{outermost}/"):
            return other
    return None
