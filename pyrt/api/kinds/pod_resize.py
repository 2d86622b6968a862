"""``pods/resize``: other resources for a pod that runs."""

from __future__ import annotations

from pyrt.api.decoding import refuse
from pyrt.api.kinds.pods import PodStrategy
from pyrt.api.resources import WriteContext
from pyrt.kube.admission import admit_pod
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.pod import Pod
from pyrt.kube.resize import keep_resize_only, validate_pod_resize


class ResizeStrategy(PodStrategy):
    """A pod, of which only resources and resize policies are written (``podResizeStrategy``, pkg/registry/core/pod)."""

    def prepare_update(self, value: Pod, old: Pod, context: WriteContext) -> None:
        """See :class:`pyrt.api.resources.Strategy`."""
        keep_resize_only(value, old)
        value.status = old.status
        set_pod_defaults(value)
        admit_pod(value)
        refuse("Pod", value.metadata.name, validate_pod_resize(value, old))
        if value.spec == old.spec:
            return
        value.metadata.generation = old.metadata.generation + 1
        if not context.dry_run:
            self._supervisor.before_resize(old)
