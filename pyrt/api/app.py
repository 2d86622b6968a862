"""The table of everything that is served. A new kind is a line here and a file in ``kinds``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrt.api.images import GROUP, LISTED, VERSION, Images
from pyrt.api.kinds import metrics
from pyrt.api.kinds.config_maps import config_maps
from pyrt.api.kinds.events import events
from pyrt.api.kinds.mirrors import is_mirror
from pyrt.api.kinds.namespaces import NamespaceStrategy, ensure_initial, namespaces
from pyrt.api.kinds.nodes import describe_node, nodes
from pyrt.api.kinds.persistent_volume_claims import persistent_volume_claims
from pyrt.api.kinds.persistent_volumes import persistent_volumes
from pyrt.api.kinds.pod_ephemeral import EphemeralContainersStrategy
from pyrt.api.kinds.pod_resize import ResizeStrategy
from pyrt.api.kinds.pod_status import StatusStrategy
from pyrt.api.kinds.pods import PodStrategy, pods
from pyrt.api.kinds.secrets import secrets
from pyrt.api.kinds.service_accounts import service_accounts
from pyrt.api.kinds.storage_classes import storage_classes
from pyrt.api.podstreams import PodStreams
from pyrt.api.server import ApiServer
from pyrt.api.system import System
from pyrt.config import Config
from pyrt.controllers.static import StaticPodController
from pyrt.controllers.storage import StorageController
from pyrt.images.service import ImageService
from pyrt.kube.times import to_text
from pyrt.pods.supervisor import Supervisor
from pyrt.runtime import Runtime
from pyrt.store import Store

POD_PARTS: Final[Mapping[str, type[PodStrategy]]] = {
    "ephemeralcontainers": EphemeralContainersStrategy,
    "resize": ResizeStrategy,
    "status": StatusStrategy,
}
"""The subresources of a pod that can be written."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API speaks for."""

    config: Config
    store: Store
    runtime: Runtime
    images: ImageService
    supervisor: Supervisor
    storage: StorageController
    scratch: Path
    """A directory for archives on their way."""
    static: StaticPodController | None = None


def build(parts: Parts) -> ApiServer:
    """Put the API together."""
    store, supervisor, runtime = parts.store, parts.supervisor, parts.runtime
    started_at = time.time_ns()
    ensure_initial(store)

    def delete_pods(namespace: str) -> None:
        for item in store.objects.list("Pod", namespace)[0]:
            if not is_mirror(item):  # that ends when its manifest does
                supervisor.delete(item, None)
        parts.storage.delete_claims(namespace)

    namespace_strategy = NamespaceStrategy(store, delete_pods)
    supervisor.on_removed(namespace_strategy.settle)
    parts.storage.on_claims_gone(namespace_strategy.settle)
    streams = PodStreams(supervisor, runtime)
    images = Images(parts.images, supervisor, parts.scratch)
    system = System(parts.config, store, runtime, parts.images, supervisor, to_text(started_at), parts.static)
    usage = metrics.Metrics(supervisor, runtime)

    def node() -> dict[str, Any]:
        labels, conditions = parts.config.node.labels, supervisor.conditions.all()
        return describe_node(supervisor.facts, labels, started_at, conditions, parts.images.list())

    return ApiServer(
        store,
        [
            pods(PodStrategy(supervisor), {name: part(supervisor) for name, part in POD_PARTS.items()}),
            events(),
            namespaces(namespace_strategy),
            config_maps(),
            secrets(),
            service_accounts(),
            persistent_volumes(),
            persistent_volume_claims(parts.storage),
            storage_classes(),
            nodes(node),
        ],
        subresources={("pods", "log"): streams.log},
        streams={
            ("pods", "exec"): streams.exec,
            ("pods", "attach"): streams.attach,
            ("pods", "portforward"): streams.portforward,
        },
        custom={
            ("GET", GROUP, "images"): images.list_,
            ("GET", GROUP, "image"): images.get,
            ("DELETE", GROUP, "images"): images.remove,
            ("POST", GROUP, "images/pull"): images.pull,
            ("POST", GROUP, "images/save"): images.save,
            ("POST", GROUP, "images/prune"): images.prune,
            ("GET", GROUP, "system/info"): system.info,
            ("GET", GROUP, "system/df"): system.df,
            ("POST", GROUP, "system/prune"): system.prune,
            ("POST", GROUP, "system/end-static-pods"): system.end_static_pods,
            ("POST", GROUP, "system/end-kubelets-pods"): system.end_kubelets_pods,
        },
        custom_streams={("POST", GROUP, "images/import"): images.import_},
        groups={(metrics.GROUP, metrics.VERSION): usage.serve},
        listed={(metrics.GROUP, metrics.VERSION): metrics.LISTED, (GROUP, VERSION): LISTED},
    )
