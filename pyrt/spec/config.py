"""The root of a runtime-spec configuration, and its JSON (config.md)."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import field

from pyrt.errors import PyrtError
from pyrt.spec.base import Spec
from pyrt.spec.linux import Linux, LinuxIDMapping
from pyrt.spec.process import Process

SPEC_VERSION = "1.2.1"
"""What :func:`encode` writes. Everything of 1.3.0 is read."""


class SpecError(PyrtError):
    """A configuration that is not JSON, or whose property has the wrong type; ``operation`` is its path."""


class Root(Spec, frozen=True, kw_only=True):
    """The root file system: ``path`` is absolute or relative to the bundle."""

    path: str = ""
    readonly: bool = False


class Mount(Spec, frozen=True, kw_only=True):
    """A mount besides the root, in order."""

    destination: str
    type: str = ""
    source: str = ""
    options: tuple[str, ...] = ()
    uid_mappings: tuple[LinuxIDMapping, ...] = ()
    gid_mappings: tuple[LinuxIDMapping, ...] = ()


class Hook(Spec, frozen=True, kw_only=True):
    """A program run at a moment of the life cycle; ``timeout`` in seconds."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


class Hooks(Spec, frozen=True, kw_only=True):
    """config.md, "POSIX-platform Hooks"."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


class Config(Spec, frozen=True, kw_only=True):
    """A container, as config.json describes it."""

    oci_version: str = SPEC_VERSION
    root: Root | None = None
    mounts: tuple[Mount, ...] = ()
    process: Process | None = None
    hostname: str = ""
    domainname: str = ""
    hooks: Hooks | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    linux: Linux | None = None


T = TypeVar("T", bound=Spec)

_decoder = msgspec.json.Decoder(Config)
_process_decoder = msgspec.json.Decoder(Process)
_encoder = msgspec.json.Encoder()


def _without_nulls(value: Any) -> Any:
    """Go programs write ``null`` for an empty list or object, which says no more than leaving it out."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value


def decode(data: bytes) -> Config:
    """Read a config.json. Raises :class:`SpecError`."""
    return _decode(data, _decoder)


def decode_process(data: bytes) -> Process:
    """Read a process.json, as ``exec --process`` takes it. Raises :class:`SpecError`."""
    return _decode(data, _process_decoder)


def _decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        if b"null" not in data:
            return decoder.decode(data)
        return msgspec.convert(_without_nulls(msgspec.json.decode(data)), decoder.type)
    except msgspec.ValidationError as e:
        # "Expected `int`, got `str` - at `$.process.user.uid`"
        message, _, path = str(e).partition(" - at `$")
        raise SpecError(message, operation=path.strip("`").lstrip(".")) from e
    except msgspec.DecodeError as e:
        raise SpecError(f"not JSON: {e}") from e


def encode(value: Spec) -> bytes:
    """The JSON of a configuration or a part of one, without what has its default."""
    return _encoder.encode(value)
