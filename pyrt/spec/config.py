"""The root of a runtime-spec configuration, and its JSON (config.md)."""

from __future__ import annotations

from pyrt import records
from pyrt.errors import PyrtError
from pyrt.spec.base import Spec, field
from pyrt.spec.linux import Linux, LinuxIDMapping
from pyrt.spec.process import Process
from pyrt.spec.resources import LinuxResources

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


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T", bound=Spec)


def decode(data: bytes) -> Config:
    """Read a config.json. Raises :class:`SpecError`."""
    return decode_as(data, Config)


def decode_process(data: bytes) -> Process:
    """Read a process.json, as ``exec --process`` takes it. Raises :class:`SpecError`."""
    return decode_as(data, Process)


def decode_resources(data: bytes) -> LinuxResources:
    """Read limits, as ``update --resources`` takes them. Raises :class:`SpecError`."""
    return decode_as(data, LinuxResources)


if TYPE_CHECKING or not records.SHORT_LIVED:
    from typing import Any

    import msgspec

    _encoder = msgspec.json.Encoder()
    _decoders: dict[type[Spec], msgspec.json.Decoder[Any]] = {}

    def _without_nulls(value: Any) -> Any:
        """Go programs write ``null`` for an empty list or object, which says no more than leaving it out."""
        if isinstance(value, dict):
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [_without_nulls(item) for item in value if item is not None]
        return value

    def decode_as(data: bytes, kind: type[T]) -> T:
        """Read a part of a configuration. Raises :class:`SpecError`."""
        decoder = _decoders.get(kind)
        if decoder is None:
            decoder = _decoders[kind] = msgspec.json.Decoder(kind)
        try:
            if b"null" not in data:
                found: T = decoder.decode(data)
                return found
            return msgspec.convert(_without_nulls(msgspec.json.decode(data)), kind)
        except msgspec.ValidationError as e:
            # "Expected `int`, got `str` - at `$.process.user.uid`"
            message, _, path = str(e).partition(" - at `$")
            raise SpecError(message, operation=path.strip("`").lstrip(".")) from e
        except msgspec.DecodeError as e:
            raise SpecError(f"not JSON: {e}") from e

    def encode(value: Spec) -> bytes:
        """The JSON of a configuration or a part of one, without what has its default."""
        return _encoder.encode(value)

    def replace(value: T, **changes: Any) -> T:
        """The same with some properties changed."""
        return msgspec.structs.replace(value, **changes)

else:
    from pyrt.spec import small

    def decode_as(data, kind):
        """Read a part of a configuration. Raises :class:`SpecError`."""
        try:
            return small.decode(data, kind)
        except small.RefusedError as e:
            raise SpecError(e.message, operation=e.path) from None

    encode, replace = small.encode, small.replace
