"""``Mount``: what of the host is in a container (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import invalid
from pyrt.runtime.config import Mount, Propagation

_PROPAGATION: Final = {
    cri.PROPAGATION_PRIVATE: Propagation.PRIVATE,
    cri.PROPAGATION_HOST_TO_CONTAINER: Propagation.HOST_TO_CONTAINER,
    cri.PROPAGATION_BIDIRECTIONAL: Propagation.BIDIRECTIONAL,
}


_OPTIONS: Final = frozenset(("noexec", "nodev", "nosuid"))
"""Those of KEP-5855."""


def _options(words: Iterable[str], field: str) -> tuple[str, ...]:
    options = tuple(words)
    for word in options:
        if word not in _OPTIONS:
            raise invalid(field, f"expected {', '.join(sorted(_OPTIONS))}, got {word!r}")
    return options


def mount_of(message: cri.Mount, field: str) -> Mount:
    """One bind mount. Raises :class:`pyrt.cri.errors.CriError`."""
    if not message.container_path.strip("/"):
        raise invalid(f"{field}.container_path", f"expected a path below /, got {message.container_path!r}")
    if message.HasField("image"):
        raise invalid(f"{field}.image", "image mounts are not supported")
    if not message.host_path.startswith("/"):
        raise invalid(f"{field}.host_path", f"expected an absolute path, got {message.host_path!r}")
    if message.propagation not in _PROPAGATION:
        raise invalid(f"{field}.propagation", f"unknown propagation {message.propagation}")
    propagation = _PROPAGATION[message.propagation]
    if message.recursive_read_only and not message.readonly:
        raise invalid(f"{field}.recursive_read_only", "recursive read-only mount conflicts with RW mount")
    if message.recursive_read_only and propagation is not Propagation.PRIVATE:
        raise invalid(f"{field}.recursive_read_only", "recursive read-only mount needs private propagation")
    return Mount(
        container_path="/" + message.container_path.lstrip("/"),
        host_path=Path(message.host_path),
        readonly=message.readonly,
        recursive_readonly=message.recursive_read_only,
        propagation=propagation,
        make_host_path=True,
        options=_options(message.mount_options, f"{field}.mount_options"),
    )
