"""The kinds that the API serves: one row each. A row makes the routes, the discovery entry, the selectable fields and
the place in the store; what is peculiar to a kind is its :class:`Strategy`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from pyrt.api.table import Column
from pyrt.kube.base import KubeStruct
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.response import DeleteOptions, Status
from pyrt.store import StoredObject


class ApiObject(Protocol):
    """An object with metadata: what every kind's type has."""

    metadata: ObjectMeta


T = TypeVar("T", bound=Any)

ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
READ_VERBS: Final = ("get", "list", "watch")


@dataclass(slots=True)
class WriteContext:
    """What a create, update or delete was asked with, and the warnings that it gathers."""

    namespace: str = ""
    dry_run: bool = False
    field_validation: str = "Strict"
    """``Strict``, ``Warn`` or ``Ignore``: what is done about unknown fields and keys that stand twice."""
    warnings: list[str] = field(default_factory=list)


class Strategy(Generic[T]):
    """What is peculiar to a kind. The defaults suit a kind that is only stored."""

    owns_generation: bool = False
    """Whether :meth:`prepare_update` sets ``metadata.generation``; else it stays as it was."""

    def decode(self, body: bytes, context: WriteContext) -> T:
        """The object that a request carries. Raises ApiError 400 for JSON that is not of this kind."""
        raise NotImplementedError

    def load(self, item: StoredObject) -> T:
        """The object that the store holds."""
        raise NotImplementedError

    def encode(self, value: T) -> bytes:
        """The JSON that is stored and sent."""
        raise NotImplementedError

    def prepare_create(self, value: T, context: WriteContext) -> None:
        """Default and validate, in place. Raises ApiError 422."""

    def prepare_update(self, value: T, old: T, context: WriteContext) -> None:
        """Take over what the server owns and check that only what may change changes, in place. Raises ApiError 422."""

    def created(self, value: T, item: StoredObject) -> None:
        """After the commit of a create."""

    def updated(self, value: T, item: StoredObject) -> None:
        """After the commit of an update."""

    delete: Callable[[StoredObject, DeleteOptions, WriteContext], Awaitable[StoredObject | Status]] | None = None
    """Delete in this kind's own way: the object while it is going, or a success; ``None`` removes it at once."""


@dataclass(frozen=True, slots=True)
class Subresource:
    """``pods/log``: for discovery, and with a strategy also for changing a part of the object by rules of its own."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""
    strategy: Strategy[Any] | None = None
    """What prepares an update or patch of the object through this subresource; ``None``: answered by hand."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind."""

    plural: str
    kind: str
    verbs: tuple[str, ...]
    strategy: Strategy[Any]
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Selectable fields beyond metadata.name and metadata.namespace, and their paths in the JSON."""
    columns: tuple[Column, ...] = ()
    cells: Callable[[Any], list[Any]] | None = None
    """One row of a Table, of the decoded object; ``None``: name and creation time."""
    type: type[KubeStruct] | None = None
    """What its objects decode to: for OpenAPI."""
    derived: Callable[[], list[bytes]] | None = None
    """For kinds that are computed, not stored: the JSON of every object now."""

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        """``PodList``."""
        return f"{self.kind}List"
