"""``pods/ephemeralcontainers``: containers for a visit to a pod that runs."""

from __future__ import annotations

from pyrt.api.decoding import refuse
from pyrt.api.kinds.pods import PodStrategy
from pyrt.api.resources import WriteContext
from pyrt.kube.admission import admit_pod
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.ephemeral import keep_ephemeral_only, validate_ephemeral_update
from pyrt.kube.pod import Pod
from pyrt.kube.support import check


class EphemeralContainersStrategy(PodStrategy):
    """A pod, to which ephemeral containers are added (``podEphemeralContainersStrategy``, pkg/registry/core/pod)."""

    def prepare_update(self, value: Pod, old: Pod, context: WriteContext) -> None:
        """See :class:`pyrt.api.resources.Strategy`."""
        keep_ephemeral_only(value, old)
        value.status = old.status
        set_pod_defaults(value)
        admit_pod(value)
        refuse("Pod", value.metadata.name, validate_ephemeral_update(value, old))
        known = {container.name for container in old.spec.ephemeral_containers}
        added = tuple(
            f"spec.ephemeralContainers[{index}]."
            for index, container in enumerate(value.spec.ephemeral_containers)
            if container.name not in known
        )
        findings = check(value)
        refuse("Pod", value.metadata.name, [error for error in findings.refused if error.field.startswith(added)])
        context.warnings.extend(text for text in findings.warnings if text.startswith(added))
        value.metadata.generation = old.metadata.generation + (value.spec != old.spec)
