"""Changing an object that exists: update and patch, of the object itself or of one of its subresources."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pyrt.api.call import Answer, Call
from pyrt.api.decoding import refuse
from pyrt.api.errors import ApiError, bad_request, conflict
from pyrt.api.finalizers import released
from pyrt.api.patch import apply_patch, patch_type
from pyrt.api.reading import existing, json_body, shown, write_context
from pyrt.api.resources import Resource, Strategy, WriteContext
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.update import validate_metadata_update
from pyrt.store import Conflict, NotFound, Store, StoredObject

_ATTEMPTS: Final = 5
"""Times a patch without a resourceVersion is applied anew to what another writer has changed meanwhile."""
_IDENTITY: Final = ("name", "namespace", "uid", "creation_timestamp")
_GOING: Final = ("deletion_timestamp", "deletion_grace_period_seconds")
_MODIFIED: Final = "the object has been modified; please apply your changes to the latest version and try again"


def update(store: Store, resource: Resource, strategy: Strategy[Any], call: Call) -> Answer:
    """Replace an object; a resourceVersion in it must be the present one. Raises ApiError."""
    context = write_context(call)
    value = strategy.decode(json_body(call), context)
    return _store(store, resource, strategy, call, context, existing(store, resource, call), value)


def patch(store: Store, resource: Resource, strategy: Strategy[Any], call: Call) -> Answer:
    """Change parts of an object (JSON patch, merge patch or strategic merge patch). Raises ApiError."""
    media = patch_type(call.content_type)
    context = write_context(call)
    for attempt in range(_ATTEMPTS):
        old = existing(store, resource, call)
        patched = apply_patch(media, msgspec.json.decode(old.data), call.body)
        told = len(context.warnings)
        value = strategy.decode(msgspec.json.encode(patched), context)
        pinned = value.metadata.resource_version not in ("", str(old.resource_version))
        try:
            return _store(store, resource, strategy, call, context, old, value)
        except ApiError as error:
            if error.reason != "Conflict" or pinned or attempt == _ATTEMPTS - 1:
                raise
            del context.warnings[told:]
    raise AssertionError("unreachable")


def _store(
    store: Store,
    resource: Resource,
    strategy: Strategy[Any],
    call: Call,
    context: WriteContext,
    old_item: StoredObject,
    value: Any,
) -> Answer:
    old = strategy.load(old_item)
    meta: ObjectMeta = value.metadata
    expected = meta.resource_version
    _check_identity(resource, call, meta, old.metadata)
    _fill(meta, old.metadata)
    refuse(resource.kind, call.route.name, validate_metadata_update(meta, old.metadata))
    strategy.prepare_update(value, old, context)
    meta.generate_name = old.metadata.generate_name
    if not strategy.owns_generation:
        meta.generation = old.metadata.generation
    meta.self_link, meta.managed_fields = "", []

    def encoded(version: int) -> bytes:
        meta.resource_version = str(version)
        return strategy.encode(value)

    wanted = int(expected) if expected.isdecimal() and expected != "0" else old_item.resource_version
    try:
        if context.dry_run:
            if wanted != old_item.resource_version:
                raise Conflict(_MODIFIED, subject=call.route.name, current=old_item.resource_version)
            return Answer(200, encoded(old_item.resource_version))
        item = store.objects.update(
            resource.kind, meta.namespace, meta.name, encoded, expected=wanted, uid=old_item.uid
        )
    except (Conflict, NotFound) as error:
        raise conflict(resource.plural, call.route.name, _MODIFIED, group=resource.group) from error
    if item.resource_version != old_item.resource_version:
        strategy.updated(value, item)
        if resource.strategy.delete is None and released(meta):
            store.objects.delete(resource.kind, meta.namespace, meta.name, data=encoded, uid=item.uid)
    return shown(resource, call, item)


def _check_identity(resource: Resource, call: Call, meta: ObjectMeta, old: ObjectMeta) -> None:
    """What a request says that it is about is what its URL says (apiserver, ``endpoints/handlers``)."""
    if meta.name and meta.name != call.route.name:
        raise bad_request(
            f"the name of the object ({meta.name}) does not match the name on the URL ({call.route.name})"
        )
    if meta.namespace and meta.namespace != call.route.namespace:
        raise bad_request(
            f"the namespace of the object ({meta.namespace}) does not match the namespace on the request "
            f"({call.route.namespace})"
            if resource.namespaced
            else f"namespace is not allowed on this type: {resource.kind}"
        )
    if meta.uid and meta.uid != old.uid:
        raise conflict(
            resource.plural,
            call.route.name,
            f"Precondition failed: UID in precondition: {meta.uid}, UID in object meta: {old.uid}",
            group=resource.group,
        )


def _fill(meta: ObjectMeta, old: ObjectMeta) -> None:
    """What a client left out it did not mean to change; a deletion cannot be taken back."""
    for name in _IDENTITY:
        if not getattr(meta, name):
            setattr(meta, name, getattr(old, name))
    meta.generation = meta.generation or old.generation
    if old.deletion_timestamp is not None:
        for name in _GOING:
            setattr(meta, name, getattr(old, name))
