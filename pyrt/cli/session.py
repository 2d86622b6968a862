"""What a command knows of its surroundings: the namespace, the daemon's socket, and the API behind it."""

from __future__ import annotations

from collections.abc import Callable

from pyrt.cli.failure import warn
from pyrt.client.api import Api, Query
from pyrt.client.errors import ApiError, UnreachableError
from pyrt.client.resources import POD
from pyrt.config.location import api_socket


class Session:
    """One run of one command.

    Parameters
    ----------
    namespace: ``--namespace``, if it was given.
    socket: ``--socket``; else ``--config``, ``$PYRT_SOCKET`` and the configuration file decide.
    config: ``--config``.
    autostart: whether the daemon may be started when it does not answer.
    """

    def __init__(
        self,
        *,
        namespace: str | None = None,
        socket: str | None = None,
        config: str | None = None,
        autostart: bool = True,
    ) -> None:
        self.namespace = namespace or "default"
        self.explicit_namespace = bool(namespace)
        self.socket = socket
        self.config = config
        self.autostart = autostart
        self._api: Api | None = None

    @property
    def socket_path(self) -> str:
        """Where the daemon listens."""
        return self.socket or api_socket(self.config)

    @property
    def api(self) -> Api:
        """The daemon."""
        if self._api is None:
            handler: Callable[[UnreachableError], bool] | None = self._start if self.autostart else None
            self._api = Api(self.socket_path, on_unreachable=handler, on_warning=lambda text: warn(f"Warning: {text}"))
        return self._api

    def _start(self, error: UnreachableError) -> bool:
        from pyrt.cli.autostart import start_daemon

        return start_daemon(self.socket_path, self.config)

    def pod_names(self) -> list[str]:
        """For shell completion: quickly, and silent about whatever goes wrong."""
        api = Api(self.socket_path, timeout=1.0)
        query: Query = {"limit": 500}
        try:
            listing = api.get(POD.path(self.namespace), query)
        except (ApiError, UnreachableError, OSError):
            return []
        return [item["metadata"]["name"] for item in listing.get("items") or ()]
