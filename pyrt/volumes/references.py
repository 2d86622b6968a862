"""What a pod's manifest refers to by name: the API objects that volumes and environments are made from."""

from __future__ import annotations

from typing import Final, Protocol

from pyrt.kube.config_map import ConfigMap
from pyrt.kube.secret import Secret
from pyrt.kube.storage import PersistentVolume, PersistentVolumeClaim


class References(Protocol):
    """Finds objects of the API, as they are now. To be asked on the event loop's thread only: the store is there."""

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """The ConfigMap, ``None`` if there is none."""

    def secret(self, namespace: str, name: str) -> Secret | None:
        """The Secret, ``None`` if there is none."""

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        """The PersistentVolumeClaim, ``None`` if there is none."""

    def volume(self, name: str) -> PersistentVolume | None:
        """The PersistentVolume, ``None`` if there is none."""

    def hold_alone(self, claim_uid: str, pod_uid: str) -> str | None:
        """Take a claim for one pod alone (ReadWriteOncePod); ``None``, or the name of the pod that has it."""


class NoReferences:
    """Finds nothing."""

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """See :class:`References`."""
        return None

    def secret(self, namespace: str, name: str) -> Secret | None:
        """See :class:`References`."""
        return None

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        """See :class:`References`."""
        return None

    def volume(self, name: str) -> PersistentVolume | None:
        """See :class:`References`."""
        return None

    def hold_alone(self, claim_uid: str, pod_uid: str) -> str | None:
        """See :class:`References`."""
        return None


NONE: Final = NoReferences()
