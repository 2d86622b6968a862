"""What a stock cluster's admission plugins add to a pod after defaulting, so that objects look as users know them."""

from __future__ import annotations

from pyrt.kube.pod import Pod
from pyrt.kube.scheduling import Toleration

EVERY_POD_TOLERATES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
"""Taints that every pod endures for five minutes."""

PRIORITY_CLASSES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
"""The classes that every cluster has (``pkg/apis/scheduling``)."""

_TOLERATION_SECONDS = 300


def admit_pod(pod: Pod) -> None:
    """Service account ``default``, priority 0, and the tolerations that every pod gets; in place, idempotent."""
    spec = pod.spec
    spec.service_account_name = spec.service_account_name or spec.service_account or "default"
    spec.service_account = spec.service_account_name
    if spec.priority is None:
        spec.priority = PRIORITY_CLASSES.get(spec.priority_class_name, 0)
    if spec.preemption_policy is None:
        spec.preemption_policy = "PreemptLowerPriority"
    for key in EVERY_POD_TOLERATES:
        if not any(t.key in (key, "") and t.effect in ("NoExecute", "") for t in spec.tolerations):
            spec.tolerations.append(
                Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=_TOLERATION_SECONDS)
            )
