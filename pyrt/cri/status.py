"""Who answers: Version."""

from __future__ import annotations

from pyrt import __version__
from pyrt.cri import runtime_pb2
from pyrt.cri.services import Handlers

_KUBELET_API = "0.1.0"
"""What every runtime answers as ``version``: the version of the kubelet's runtime API, which never changed."""


class Identity:
    """Version."""

    def handlers(self) -> Handlers:
        """By method."""
        return {"Version": self.version}

    async def version(self, request: runtime_pb2.VersionRequest) -> runtime_pb2.VersionResponse:
        """The name and version of the runtime, and of the API that it serves."""
        return runtime_pb2.VersionResponse(
            version=_KUBELET_API, runtime_name="pyrt", runtime_version=__version__, runtime_api_version="v1"
        )
