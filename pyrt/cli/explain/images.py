"""The images of a pod, as far as they are known without pulling."""

from __future__ import annotations

from typing import Any

from pyrt.cli.explain.model import ImagePart
from pyrt.client.api import Api
from pyrt.client.errors import ApiError, ClientError
from pyrt.config import Config
from pyrt.images.reference import Reference, parse_reference
from pyrt.images.types import ImageConfig

Object = dict[str, Any]


class LocalImages:
    """What the daemon, if one answers, knows of images. It is never started for this."""

    def __init__(self, api: Api) -> None:
        self._api: Api | None = api
        self._known: dict[str, Object | None] = {}

    @property
    def reachable(self) -> bool:
        """Whether a daemon has answered, or has not been asked yet."""
        return self._api is not None

    def find(self, reference: str) -> Object | None:
        """The image, or ``None``."""
        if reference not in self._known:
            self._known[reference] = self._ask(reference)
        return self._known[reference]

    def _ask(self, reference: str) -> Object | None:
        if self._api is None:
            return None
        try:
            return self._api.get("/apis/pyrt.dev/v1/image", {"ref": reference})
        except ApiError:
            return None
        except ClientError:
            self._api = None
            return None


def config_of(found: Object | None) -> ImageConfig | None:
    """The part of an image that a container inherits."""
    if found is None:
        return None
    config = found.get("config") or {}
    return ImageConfig(
        entrypoint=tuple(config.get("entrypoint") or ()),
        cmd=tuple(config.get("cmd") or ()),
        env=tuple(config.get("env") or ()),
        working_dir=config.get("workingDir") or "",
        user=config.get("user") or "",
        stop_signal=config.get("stopSignal") or "",
        volumes=tuple(config.get("volumes") or ()),
        labels=dict(config.get("labels") or {}),
    )


def image_part(asked: str, policy: str, config: Config, local: LocalImages) -> ImagePart:
    """One line of the section Images."""
    reference = parse_reference(asked)
    found = local.find(asked)
    return ImagePart(
        asked=asked,
        canonical=str(reference),
        policy=policy,
        source=_source(reference, config),
        local=(found is not None) if local.reachable else None,
    )


def _source(reference: Reference, config: Config) -> str:
    mirror = config.images.mirrors.get(reference.domain)
    if mirror is None:
        return reference.domain
    return f"{mirror.url or mirror.layout} (mirror of {reference.domain})"
