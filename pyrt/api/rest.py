"""The verbs that every kind shares: create, get, list, watch, update, patch, delete, deletecollection."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from pyrt.api import listing, updating, watch
from pyrt.api.call import Answer, Call, Streamed, answer
from pyrt.api.errors import (
    ApiError,
    already_exists,
    bad_request,
    conflict,
    invalid,
    method_not_allowed,
    not_found,
    success,
)
from pyrt.api.finalizers import mark
from pyrt.api.names import generate_name
from pyrt.api.query import dry_run, flag, integer
from pyrt.api.reading import existing, json_body, shown, write_context
from pyrt.api.resources import Resource, Strategy, WriteContext
from pyrt.api.table import wants_table
from pyrt.kube.response import DeleteOptions, Status, StatusCause, StatusDetails
from pyrt.store import AlreadyExists, Conflict, NotFound, Store, StoredObject


async def serve(store: Store, resource: Resource, call: Call) -> Answer | Streamed:
    """Answer a request for a kind's objects. Raises ApiError."""
    verb = _verb(call)
    if verb not in resource.verbs and not (verb == "watch" and "list" in resource.verbs and "watch" in resource.verbs):
        raise method_not_allowed(verb, resource.plural)
    if resource.namespaced and not call.route.namespace and verb not in ("list", "watch"):
        raise method_not_allowed(verb, resource.plural)
    if not resource.namespaced and call.route.namespace:
        raise not_found(resource.plural, call.route.name, group=resource.group)
    match verb:
        case "get":
            return get(store, resource, call)
        case "list":
            return list_(store, resource, call)
        case "watch":
            return watch_(store, resource, call)
        case "create":
            return await create(store, resource, call)
        case "update":
            return updating.update(store, resource, resource.strategy, call)
        case "patch":
            return updating.patch(store, resource, resource.strategy, call)
        case "delete":
            return await delete(store, resource, call)
    return await delete_collection(store, resource, call)


def serve_subresource(store: Store, resource: Resource, strategy: Strategy[Any], call: Call) -> Answer:
    """Answer a request for a part of one object that has rules of its own (``pods/resize``). Raises ApiError."""
    match call.method:
        case "GET" | "HEAD":
            return shown(resource, call, existing(store, resource, call))
        case "PUT":
            return updating.update(store, resource, strategy, call)
        case "PATCH":
            return updating.patch(store, resource, strategy, call)
    raise method_not_allowed(call.method.lower(), f"{call.route.resource}/{call.route.subresource}")


def _verb(call: Call) -> str:
    named = bool(call.route.name)
    match call.method:
        case "GET" | "HEAD":
            if flag(call.query, "watch"):
                return "watch"
            return "get" if named else "list"
        case "POST" if not named:
            return "create"
        case "PUT" if named:
            return "update"
        case "PATCH" if named:
            return "patch"
        case "DELETE":
            return "delete" if named else "deletecollection"
    raise method_not_allowed(call.method.lower(), call.route.resource)


def get(store: Store, resource: Resource, call: Call) -> Answer:
    """One object."""
    item = listing.find(store, resource, call.route.namespace, call.route.name)
    if item is None:
        raise not_found(resource.plural, call.route.name, group=resource.group)
    return shown(resource, call, item)


def list_(store: Store, resource: Resource, call: Call) -> Answer:
    """Objects, selected and paged."""
    selection = listing.Selection.of(resource, call.query)
    items, version = listing.fetch(store, resource, call.route.namespace)
    listing.check_version(call.query, version)
    page = listing.paged(items, version, selection, call.query)
    if wants_table(call.accept):
        include = call.query.get("includeObject", "Metadata")
        return Answer(200, listing.encode_table(resource, page.items, page.metadata(), include))
    return Answer(200, listing.encode_list(resource, page))


def watch_(store: Store, resource: Resource, call: Call) -> Streamed:
    """Changes as they come."""
    selection = listing.Selection.of(resource, call.query, call.route.name)
    options = watch.WatchOptions.of(call.query)
    encode = _table_encoder(resource, call) if wants_table(call.accept) else _raw
    return Streamed(watch.stream(store, selection, call.route.namespace, options, encode))


def _raw(item: StoredObject) -> bytes:
    return item.data


def _table_encoder(resource: Resource, call: Call) -> watch.Encode:
    include = call.query.get("includeObject", "Metadata")
    first = True

    def encode(item: StoredObject) -> bytes:
        nonlocal first
        metadata = {"resourceVersion": str(item.resource_version)}
        table = listing.encode_table(resource, [item], metadata, include, with_columns=first)
        first = False
        return table

    return encode


async def create(store: Store, resource: Resource, call: Call) -> Answer:
    """Add an object: 201 with the object as it is now."""
    context = write_context(call)
    strategy = resource.strategy
    value = strategy.decode(json_body(call), context)
    _fill_metadata(resource, call, value)
    if resource.namespaced:
        _check_namespace(store, value.metadata.namespace)
    strategy.prepare_create(value, context)
    meta = value.metadata
    if context.dry_run:
        if store.objects.find(resource.kind, meta.namespace, meta.name) is not None:
            raise already_exists(resource.plural, meta.name, group=resource.group)
        return Answer(201, strategy.encode(value))

    def encoded(version: int) -> bytes:
        meta.resource_version = str(version)
        return strategy.encode(value)

    try:
        item = store.objects.create(resource.kind, meta.namespace, meta.name, meta.uid, encoded, durable=False)
    except AlreadyExists as error:
        raise already_exists(resource.plural, meta.name, group=resource.group) from error
    strategy.created(value, item)
    await store.synced()  # the work begins while the disk writes; the answer waits for it
    return shown(resource, call, item, 201)


def _fill_metadata(resource: Resource, call: Call, value: Any) -> None:
    meta = value.metadata
    if resource.namespaced:
        if meta.namespace and meta.namespace != call.route.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        meta.namespace = call.route.namespace
    elif meta.namespace:
        raise bad_request(f"namespace is not allowed on this type: {resource.kind}")
    if meta.resource_version:
        raise bad_request("resourceVersion should not be set on objects to be created")
    if not meta.name and meta.generate_name:
        meta.name = generate_name(meta.generate_name)
    if not meta.name:
        cause = StatusCause(
            reason="FieldValueRequired",
            message="Required value: name or generateName is required",
            field="metadata.name",
        )
        raise invalid(resource.kind, "", [cause], group=resource.group)
    meta.uid = str(uuid.uuid4())
    meta.creation_timestamp = now_text()
    meta.deletion_timestamp = None
    meta.deletion_grace_period_seconds = None
    meta.self_link = ""
    meta.managed_fields = []


def now_text() -> str:
    """The present moment as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_namespace(store: Store, namespace: str) -> None:
    item = store.objects.find("Namespace", "", namespace)
    if item is None:
        raise not_found("namespaces", namespace)
    if b'"phase":"Terminating"' in item.data:
        raise ApiError(
            403,
            "Forbidden",
            f"unable to create new content in namespace {namespace} because it is being terminated",
            StatusDetails(name=namespace, kind="namespaces"),
        )


def delete_options(call: Call) -> DeleteOptions:
    """The body, with what the query says on top."""
    options = DeleteOptions()
    if call.body.strip():
        json_body(call)
        try:
            options = msgspec.json.decode(call.body, type=DeleteOptions, strict=False)
        except msgspec.MsgspecError as error:
            raise bad_request(f"unable to decode DeleteOptions: {error}") from error
    if (grace := integer(call.query, "gracePeriodSeconds")) is not None:
        options.grace_period_seconds = grace
    if call.repeated.get("dryRun"):
        options.dry_run = call.repeated["dryRun"]
    return options


async def delete(store: Store, resource: Resource, call: Call) -> Answer:
    """Remove an object, or begin to: 200 with the object while it is going, or with a Status."""
    options = delete_options(call)
    item = existing(store, resource, call)
    return await _delete_one(store, resource, call, item, options)


async def _delete_one(
    store: Store, resource: Resource, call: Call, item: StoredObject, options: DeleteOptions
) -> Answer:
    conditions = options.preconditions
    if conditions is not None:
        found = {"UID": item.uid, "ResourceVersion": str(item.resource_version)}
        for word, wanted in (("UID", conditions.uid), ("ResourceVersion", conditions.resource_version)):
            if wanted and wanted != found[word]:
                raise conflict(
                    resource.plural,
                    item.name,
                    f"Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {found[word]}",
                    group=resource.group,
                )
    context = WriteContext(namespace=item.namespace, dry_run=dry_run(options.dry_run), warnings=call.warnings)
    if context.dry_run:
        return shown(resource, call, item)
    if resource.strategy.delete is not None:
        result = await resource.strategy.delete(item, options, context)
        await store.synced()
        return answer(result) if isinstance(result, Status) else shown(resource, call, result)
    if (marked := mark(store, resource, item)) is not None:
        return shown(resource, call, marked)
    try:
        store.objects.delete(resource.kind, item.namespace, item.name, uid=item.uid)
    except (Conflict, NotFound) as error:
        raise not_found(resource.plural, item.name, group=resource.group) from error
    return answer(
        success(details=StatusDetails(name=item.name, kind=resource.plural, group=resource.group, uid=item.uid))
    )


async def delete_collection(store: Store, resource: Resource, call: Call) -> Answer:
    """Remove all that are selected; answers with what was there."""
    options = delete_options(call)
    selection = listing.Selection.of(resource, call.query)
    items, version = listing.fetch(store, resource, call.route.namespace)
    chosen = [item for item in items if selection.matches(item)]
    for item in chosen:
        try:
            await _delete_one(store, resource, call, item, options)
        except ApiError as error:
            if error.reason != "Forbidden":
                raise
            call.warnings.append(error.message)  # a static pod does not keep the others
    return Answer(200, listing.encode_list(resource, listing.Page(chosen, version)))


async def only(first: bytes) -> AsyncIterator[bytes]:
    """A stream of one piece."""
    yield first
