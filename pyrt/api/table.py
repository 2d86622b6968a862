"""Tables: lists as people see them, made by the server so that every client prints the same columns.

``meta.k8s.io/v1 Table`` (apimachinery, ``meta/v1/types.go``); a column of priority 0 is always shown, others with
``-o wide``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def definition(self) -> dict[str, Any]:
        """As it stands in ``columnDefinitions``."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


NAME: Final = Column("Name", format="name", description="Unique within a namespace; cannot be changed.")
AGE: Final = Column("Age", description="Time since the object was created.")
DEFAULT_COLUMNS: Final = (NAME, Column("Created At", type="date", description="Time of creation."))


def _raw(data: bytes) -> Any:
    return msgspec.Raw(data)


def _nothing(data: bytes) -> None:
    return None


_SHOWN: Final[dict[str, Callable[[bytes], Any]]] = {"Object": _raw, "None": _nothing}


def wants_table(accept: str) -> bool:
    """Whether one of the accepted types, before plain JSON, is a Table."""
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media not in ("application/json", "application/*", "*/*"):
            continue
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        return given.get("as") == "Table" and given.get("g", "meta.k8s.io") == "meta.k8s.io" and given.get("v") == "v1"
    return False


def accepts_json(accept: str) -> bool:
    """Whether JSON may be answered at all."""
    types = {choice.split(";")[0].strip() for choice in accept.split(",")} - {""}
    return not types or bool(types & {"application/json", "application/*", "*/*"})


def render(
    columns: Sequence[Column],
    rows: Sequence[tuple[list[Any], bytes]],
    *,
    list_metadata: dict[str, Any],
    include: str = "Metadata",
    with_columns: bool = True,
) -> bytes:
    """The JSON of a Table; ``rows`` are (cells, the object's JSON)."""
    show: Callable[[bytes], Any] = _SHOWN.get(include, _partial)
    return msgspec.json.encode(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": list_metadata,
            "columnDefinitions": [column.definition() for column in columns] if with_columns else [],
            "rows": [{"cells": cells, "object": show(data)} for cells, data in rows],
        }
    )


class _MetadataOnly(msgspec.Struct):
    metadata: msgspec.Raw


def _partial(data: bytes) -> dict[str, Any]:
    metadata = msgspec.json.decode(data, type=_MetadataOnly).metadata
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}


def human_age(seconds: float) -> str:
    """How kubectl writes a span of time (apimachinery, ``util/duration``, ``HumanDuration``): ``5s``, ``3m20s``,
    ``2d4h``.
    """
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return f"{minutes}m{total % 60}s" if total % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        years, rest = days // 365, days % 365
        return f"{years}y{rest}d" if rest else f"{years}y"
    return f"{days // 365}y"
