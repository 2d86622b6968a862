"""``LinuxContainerResources``: limits, as the runtime takes them (pure)."""

from __future__ import annotations

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import invalid
from pyrt.runtime.config import Resources


def resources_of(message: cri.LinuxContainerResources, field: str) -> Resources:
    """Zero and empty mean "not specified", in a new container as in an update. ``oom_score_adj`` is not a limit: it is
    :attr:`pyrt.runtime.config.ContainerSecurity.oom_score_adj`. Raises :class:`CriError`.
    """
    for name in ("cpu_period", "cpu_shares"):
        if getattr(message, name) < 0:
            raise invalid(f"{field}.{name}", f"expected 0 or more, got {getattr(message, name)}")
    pages: dict[str, int] = {}
    for limit in message.hugepage_limits:
        if not limit.page_size:
            raise invalid(f"{field}.hugepage_limits.page_size", "expected a size such as 2MB")
        pages[limit.page_size] = limit.limit
    return Resources(
        cpu_shares=message.cpu_shares or None,
        cpu_quota=message.cpu_quota or None,
        cpu_period=message.cpu_period or None,
        cpuset_cpus=message.cpuset_cpus,
        cpuset_mems=message.cpuset_mems,
        memory_limit=message.memory_limit_in_bytes or None,
        memory_swap_limit=message.memory_swap_limit_in_bytes or None,
        hugepage_limits=pages,
        unified=dict(message.unified),
    )
