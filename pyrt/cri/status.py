"""Who answers, and how it is: Version, Status, RuntimeConfig, UpdateRuntimeConfig."""

from __future__ import annotations

import platform
from typing import Final

import msgspec

from pyrt import __version__
from pyrt.config import Config
from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.sandbox_config import HANDLERS
from pyrt.cri.services import Handlers
from pyrt.launch.features import probe
from pyrt.network.cni import CniNetwork

_KUBELET_API: Final = "0.1.0"
"""What every runtime answers as ``version``: the version of the kubelet's runtime API, which never changed."""

FEATURES: Final = cri.RuntimeFeatures(supplemental_groups_policy=True, mount_options=True)
"""No user namespaces on the host's network (KEP-5607)."""


def handler_features() -> cri.RuntimeHandlerFeatures:
    """A pod with a user namespace needs images on ID-mapped mounts (Linux 5.19 for overlayfs)."""
    return cri.RuntimeHandlerFeatures(recursive_read_only_mounts=True, user_namespaces=probe().overlay_idmapped)


class Identity:
    """Version, Status, RuntimeConfig, UpdateRuntimeConfig."""

    def __init__(self, config: Config, networks: CniNetwork) -> None:
        self._config = config
        self._networks = networks

    def handlers(self) -> Handlers:
        """By method."""
        return {
            "Version": self.version,
            "Status": self.status,
            "RuntimeConfig": self.runtime_config,
            "UpdateRuntimeConfig": self.update_runtime_config,
        }

    async def version(self, request: cri.VersionRequest) -> cri.VersionResponse:
        """The name and version of the runtime, and of the API that it serves."""
        return cri.VersionResponse(
            version=_KUBELET_API, runtime_name="pyrt", runtime_version=__version__, runtime_api_version="v1"
        )

    async def status(self, request: cri.StatusRequest) -> cri.StatusResponse:
        """RuntimeReady, which holds if this is answered, and NetworkReady; what the runtime can do."""
        found = await self._networks.status()
        network = cri.RuntimeCondition(
            type="NetworkReady", status=found.ready, reason=found.reason, message=found.message
        )
        conditions = [cri.RuntimeCondition(type="RuntimeReady", status=True), network]
        features = handler_features()
        return cri.StatusResponse(
            status=cri.RuntimeStatus(conditions=conditions),
            info=self._info() if request.verbose else {},
            runtime_handlers=[cri.RuntimeHandler(name=name, features=features) for name in HANDLERS],
            features=FEATURES,
        )

    def _info(self) -> dict[str, str]:
        config = msgspec.json.encode(self._config, enc_hook=str).decode()
        return {
            "config": config,
            "python": msgspec.json.encode(platform.python_version()).decode(),
            "cniconfig": msgspec.json.encode(self._networks.describe()).decode(),
        }

    async def runtime_config(self, request: cri.RuntimeConfigRequest) -> cri.RuntimeConfigResponse:
        """The cgroup driver, which the kubelet takes over."""
        driver = cri.SYSTEMD if self._config.cgroup.driver == "systemd" else cri.CGROUPFS
        return cri.RuntimeConfigResponse(linux=cri.LinuxRuntimeConfiguration(cgroup_driver=driver))

    async def update_runtime_config(self, request: cri.UpdateRuntimeConfigRequest) -> cri.UpdateRuntimeConfigResponse:
        """A kubelet tells the node's addresses for pods, the families with a comma between. They are filled into the
        template of a CNI configuration, if there is one; pyrt's own network keeps to its configured ranges.
        """
        asked = request.runtime_config.network_config.pod_cidr
        self._networks.set_pod_cidrs([cidr.strip() for cidr in asked.split(",") if cidr.strip()])
        return cri.UpdateRuntimeConfigResponse()
