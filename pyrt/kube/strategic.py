"""Strategic merge patches: Kubernetes' patch format that knows which lists hold named things.

Two halves of one thing: :func:`apply` is what the server does with a patch, :func:`three_way` is the patch that a
client makes of what it applied last, what it wants now, and what the server has. Both work on plain JSON values and are
pure (apimachinery, ``pkg/util/strategicpatch``; community, ``sig-api-machinery/strategic-merge-patch.md``).

Where this differs from Kubernetes: ports are told apart by protocol too, so that ``53/UDP`` is not taken for
``53/TCP``; and a patch does not name the order of a list when its order is right already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyrt.errors import PyrtError

Object = dict[str, Any]

DIRECTIVE: Final = "$patch"
RETAIN: Final = "$retainKeys"
ORDER: Final = "$setElementOrder/"
DELETE_PRIMITIVES: Final = "$deleteFromPrimitiveList/"


class PatchError(PyrtError):
    """A patch that cannot be applied."""


@dataclass(frozen=True, slots=True)
class Merged:
    """How the items of a list are recognised (``patchMergeKey`` in the published OpenAPI)."""

    key: str
    """Empty for a set of plain values."""
    beside: str = ""
    """A second field that tells apart items of the same key, if it is written."""
    meant: str = ""
    """What ``beside`` means when it is not written."""
    retain: bool = False
    """An item's fields exclude one another (a volume's sources): a patch says which may stay."""


_NAME: Final = Merged("name")
LISTS: Final[Mapping[str, Merged]] = {
    "conditions": Merged("type"),
    "containers": _NAME,
    "env": _NAME,
    "ephemeralContainers": _NAME,
    "finalizers": Merged(""),
    "hostAliases": Merged("ip"),
    "imagePullSecrets": _NAME,
    "initContainers": _NAME,
    "ownerReferences": Merged("uid"),
    "podIPs": Merged("ip"),
    "ports": Merged("containerPort", "protocol", "TCP"),
    "resourceClaims": Merged("name", retain=True),
    "schedulingGates": _NAME,
    "secrets": _NAME,
    "topologySpreadConstraints": Merged("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": Merged("devicePath"),
    "volumeMounts": Merged("mountPath"),
    "volumes": Merged("name", retain=True),
}
"""By the field's name; every other list is replaced whole (tolerations, args, command...)."""


def list_of(field: str, value: object) -> Merged | None:
    """How the list in ``field`` is merged; ``None`` if it is replaced. A Service's ports have no containerPort."""
    if not isinstance(value, list):
        return None
    found = LISTS.get(field)
    if found is not None and field == "ports" and any(isinstance(i, dict) and "containerPort" not in i for i in value):
        return Merged("port", "protocol", "TCP") if all(isinstance(i, dict) and "port" in i for i in value) else found
    return found


# --- the server's half ------------------------------------------------------------------------------------------------


def apply(target: Object, patch: Object) -> Object:
    """``target`` with ``patch`` applied; neither is changed. Raises :class:`PatchError`."""
    return _map(target, patch)


def _map(target: Object, patch: Object) -> Object:
    directive = patch.get(DIRECTIVE)
    if directive is not None:
        if directive == "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        if directive == "delete":
            return {}
        if directive != "merge":
            raise PatchError(f"unknown patch type '{directive}' in map: {patch}")
    result = dict(target)
    _retain(result, patch)
    done = {DIRECTIVE, RETAIN}
    for name, order in patch.items():
        if name.startswith(ORDER):
            field = name.removeprefix(ORDER)
            done |= {name, field}
            _ordered(result, field, patch.get(field), order)
    for name, value in patch.items():
        if name in done:
            continue
        if name.startswith(DELETE_PRIMITIVES):
            field = name.removeprefix(DELETE_PRIMITIVES)
            if field in result:
                gone = _list(name, value)
                result[field] = [item for item in _list(field, result[field]) if item not in gone]
        elif value is None:
            result.pop(name, None)
        else:
            result[name] = _value(name, result.get(name), value)
    return result


def _value(field: str, target: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return _map(target, value) if isinstance(target, dict) else without_directives(value)
    merged = list_of(field, value)
    if merged is None:
        return value
    return _merge_list(merged, target if isinstance(target, list) else [], value)


def without_directives(value: Any) -> Any:
    """A part of a patch for which there was nothing to merge it into: what it says, without its instructions."""
    if isinstance(value, dict):
        return {
            key: without_directives(item)
            for key, item in value.items()
            if key not in (DIRECTIVE, RETAIN) and not key.startswith((ORDER, DELETE_PRIMITIVES)) and item is not None
        }
    if isinstance(value, list):
        return [
            without_directives(item)
            for item in value
            if not (isinstance(item, dict) and item.get(DIRECTIVE) in ("delete", "replace") and len(item) <= 2)
        ]
    return value


def _retain(result: Object, patch: Object) -> None:
    keep = patch.get(RETAIN)
    if keep is None:
        return
    if not isinstance(keep, list) or any(
        key not in keep for key, value in patch.items() if not key.startswith("$") and value is not None
    ):
        raise PatchError(f"invalid patch format of retainKeys: {keep}")
    for key in [key for key in result if key not in keep]:
        del result[key]


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise PatchError(f"expected a list: {name}")
    return value


def _identity(merged: Merged, item: Any) -> Any:
    if not merged.key:
        return item
    if not isinstance(item, dict) or merged.key not in item:
        raise PatchError(f"map: {item} does not contain declared merge key: {merged.key}")
    return item[merged.key]


def _beside(merged: Merged, item: Object) -> Any:
    return item.get(merged.beside, merged.meant) if merged.beside else None


def _position(merged: Merged, items: list[Any], wanted: Any) -> int | None:
    """Where in ``items`` the thing is that ``wanted`` is about."""
    if not merged.key:
        return items.index(wanted) if wanted in items else None
    key = _identity(merged, wanted)
    found = [at for at, item in enumerate(items) if isinstance(item, dict) and item.get(merged.key) == key]
    same = [at for at in found if _beside(merged, items[at]) == _beside(merged, wanted)]
    if same:
        return same[0]
    # With the second field unwritten the first of that key is meant, as in Kubernetes; written, it is another thing.
    return found[0] if found and not (merged.beside and merged.beside in wanted) else None


def _merge_list(merged: Merged, present: list[Any], change: list[Any]) -> list[Any]:
    if not merged.key:
        result = list(present)
        result += [item for at, item in enumerate(change) if item not in result and item not in change[:at]]
        return result
    if any(isinstance(item, dict) and item.get(DIRECTIVE) == "replace" for item in change):
        return [item for item in change if isinstance(item, dict) and DIRECTIVE not in item]
    result = list(present)
    told: list[Any] = []
    for item in change:
        _identity(merged, item)
        at = _position(merged, result, item)
        directive = item.get(DIRECTIVE)
        if directive == "delete":
            if at is not None:
                del result[at]
            continue
        if directive not in (None, "merge"):
            raise PatchError(f"unknown patch type '{directive}' in map: {item}")
        told.append(item)
        if at is None:
            result.append(without_directives(item))
        else:
            result[at] = _map(result[at], item)
    return _sorted(merged, result, told, present)


def _ordered(result: Object, field: str, change: Any, order: Any) -> None:
    """``$setElementOrder``: a merge, and then the order that the patch says."""
    wanted = _list(ORDER + field, order)
    merged = list_of(field, wanted) or LISTS.get(field) or Merged("")
    present = result.get(field)
    if present is None and change is None:
        return
    before = _list(field, present) if present is not None else []
    after = before if change is None else _merge_list(merged, before, _list(field, change))
    for item in change or ():
        if isinstance(item, dict) and item.get(DIRECTIVE) in ("delete", "replace"):
            continue
        if _position(merged, wanted, item) is None:
            raise PatchError(f"The order in patch list:\n{change}\n doesn't match {ORDER}{field} list:\n{order}\n")
    result[field] = _sorted(merged, after, wanted, before)


def _sorted(merged: Merged, items: list[Any], wanted: list[Any], before: list[Any]) -> list[Any]:
    """What the patch names in its order; what only the server has keeps its place relative to what it stood before."""
    named: list[tuple[int, Any]] = []
    others: list[Any] = []
    for item in items:
        at = _position(merged, wanted, item)
        if at is None:
            others.append(item)
        else:
            named.append((at, item))
    mine = [item for _, item in sorted(named, key=lambda pair: pair[0])]
    result: list[Any] = []
    while others and mine:
        left, right = (_position(merged, before, items[0]) for items in (others, mine))
        result.append((others if left is not None and right is not None and left < right else mine).pop(0))
    return [*result, *mine, *others]


# --- the client's half ------------------------------------------------------------------------------------------------


def three_way(last: Object, wanted: Object, live: Object) -> Object:
    """The patch that makes of ``live`` what ``wanted`` says, and takes away what ``last`` said and ``wanted`` no longer
    does; what others have added stays. Empty if there is nothing to do.
    """
    return _diff_map(last, wanted, live)


def _diff_map(last: Object, wanted: Object, live: Object, *, retain: bool = False) -> Object:
    patch: Object = {}
    for key, value in wanted.items():
        before, present = last.get(key), live.get(key)
        if key not in live:
            if value is not None:
                patch[key] = value
        elif isinstance(value, dict) and isinstance(present, dict):
            if inner := _diff_map(before if isinstance(before, dict) else {}, value, present):
                patch[key] = inner
        elif isinstance(value, list) and isinstance(present, list) and (merged := _list_kind(key, value, present)):
            patch |= _diff_list(key, merged, before if isinstance(before, list) else [], value, present)
        elif type(value) is not type(present) or value != present:
            patch[key] = value
    patch |= {key: None for key in last if key not in wanted and key in live}
    if retain and (patch or any(key not in wanted for key in live)):
        patch[RETAIN] = sorted(wanted)
    return patch


def _list_kind(field: str, wanted: list[Any], live: list[Any]) -> Merged | None:
    merged = list_of(field, wanted or live)
    if merged is not None and merged.key and not all(isinstance(item, dict) for item in (*wanted, *live)):
        return None  # not what it should be: the server is to say so
    return merged


def _diff_list(field: str, merged: Merged, last: list[Any], wanted: list[Any], live: list[Any]) -> Object:
    if not merged.key:
        added = [item for item in wanted if item not in live]
        gone = [item for item in last if item not in wanted and item in live]
        patch: Object = {field: added} if added else {}
        return patch | ({DELETE_PRIMITIVES + field: gone} if gone else {})
    changes = [*_changed(merged, last, wanted, live), *_removed(merged, last, wanted, live)]
    order = [at for item in wanted if (at := _where(merged, live, item)) is not None]
    if not changes and order == sorted(order):
        return {}
    patch = {ORDER + field: [_keys(merged, item) for item in wanted]}
    return patch | {field: changes} if changes else patch


def _where(merged: Merged, items: list[Any], wanted: Any) -> int | None:
    return _position(merged, items, wanted) if isinstance(wanted, dict) and merged.key in wanted else None


def _keys(merged: Merged, item: Object) -> Object:
    return {key: item[key] for key in (merged.key, merged.beside) if key in item}


def _changed(merged: Merged, last: list[Any], wanted: list[Any], live: list[Any]) -> Iterator[Object]:
    for item in wanted:
        at, before = _where(merged, live, item), _where(merged, last, item)
        if at is None:
            yield item
        elif change := _diff_map(last[before] if before is not None else {}, item, live[at], retain=merged.retain):
            yield _keys(merged, item) | change


def _removed(merged: Merged, last: Iterable[Any], wanted: list[Any], live: list[Any]) -> Iterator[Object]:
    for item in last:
        if isinstance(item, dict) and _where(merged, wanted, item) is None and _where(merged, live, item) is not None:
            yield {DIRECTIVE: "delete"} | _keys(merged, item)
