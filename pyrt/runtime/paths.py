"""Where the runtime keeps things, as strings ready for system calls.

::

    <root>/containers/<id>/      upper, work (overlay)
    <root>/spare/                directories for the writable layers of containers to come
    <root>/mountpoints/          below every image: what containers have mounted over, if the image does not have it
    <root>/trash/                what is being removed, renamed out of the way in one call
    <run>/next/<id>/             spare pod processes; renamed when their pod comes
    <run>/pods/<id>/             the pod process's own: control socket, starts, exits; shm and etc, mounts of its own
"""

from __future__ import annotations

from dataclasses import dataclass

from pyrt.config import Config


@dataclass(frozen=True, slots=True)
class RuntimePaths:
    """See the module."""

    containers: str
    trash: str
    spare: str
    mountpoints: str
    pods: str
    spare_pods: str

    @classmethod
    def of(cls, config: Config) -> RuntimePaths:
        """The paths of one instance."""
        root, run = str(config.paths.root), str(config.paths.run)
        return cls(
            f"{root}/containers", f"{root}/trash", f"{root}/spare", f"{root}/mountpoints", f"{run}/pods", f"{run}/next"
        )

    def container(self, container_id: str) -> str:
        """The container's directory on disk."""
        return f"{self.containers}/{container_id}"

    def spare_pod(self, sandbox_id: str) -> str:
        """The run directory of a pod process that has no pod yet; as long as :meth:`pod`."""
        return f"{self.spare_pods}/{sandbox_id}"

    def pod(self, sandbox_id: str) -> str:
        """The pod process's run directory."""
        return f"{self.pods}/{sandbox_id}"
