"""Which ids the pods with ``hostUsers: false`` have on the host: each its own range, and no two the same.

As the kubelet's (pkg/kubelet/userns), but nothing is written for it: a sandbox's record in the database has its range,
and a range is free when no live sandbox has it. Nothing on disk has such ids except the writable layers of containers,
which end with their sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyrt.launch.context import UserNamespace
from pyrt.pods.errors import SandboxConfigError
from pyrt.runtime.config import Owner
from pyrt.runtime.status import SandboxState, SandboxStatus


@dataclass(frozen=True, slots=True)
class IdRanges:
    """The host's ids that pods may have: ``count`` ranges of ``length`` from ``first`` on."""

    first: int = 65536
    length: int = 65536
    count: int = 1000

    def __getitem__(self, number: int) -> UserNamespace:
        """The range of that number, from 0."""
        return UserNamespace(self.first + number * self.length, self.length)


class UserNamespaces:
    """Hands out ranges."""

    def __init__(self, ranges: IdRanges, sandboxes: Callable[[], Iterable[SandboxStatus]]) -> None:
        """``sandboxes`` lists all, whoever made them."""
        self._ranges = ranges
        self._sandboxes = sandboxes
        self._coming: dict[str, UserNamespace] = {}

    def take(self, uid: str) -> UserNamespace:
        """The range of a pod, which it keeps from one sandbox to the next if that follows at once.

        It is the pod's until :meth:`settled`, and after that as long as it has a sandbox that lives. Raises
        :class:`SandboxConfigError` when all are taken.
        """
        given = {
            _holder(sandbox): sandbox.config.user_namespace
            for sandbox in self._sandboxes()
            if sandbox.config.user_namespace is not None and sandbox.state is SandboxState.READY
        } | self._coming
        found = given.get(uid)
        if found is None:
            found = self._ranges[self._free(given.values())]
        self._coming[uid] = found
        return found

    def settled(self, uid: str) -> None:
        """The pod's sandbox is there, or will not be."""
        self._coming.pop(uid, None)

    def _free(self, given: Iterable[UserNamespace]) -> int:
        ranges = self._ranges
        taken: set[int] = set()
        for ids in given:  # of another configuration too, so they may overlap two
            last = ids.first + ids.length - 1
            taken.update(range((ids.first - ranges.first) // ranges.length, (last - ranges.first) // ranges.length + 1))
        number = next((number for number in range(ranges.count) if number not in taken), None)
        if number is None:
            raise SandboxConfigError(
                f"all {ranges.count} ranges of ids are taken (runtime.userns_max_pods)", operation="hostUsers"
            )
        return number


def _holder(sandbox: SandboxStatus) -> str:
    """The pod's uid; of a kubelet's sandbox, whose pod's uid may be the same, the sandbox's own."""
    return sandbox.config.metadata.uid if sandbox.config.owner is Owner.API else sandbox.id
