"""What the verbs share: the object that a request is about, how it is asked for, and how it is answered."""

from __future__ import annotations

from pyrt.api import listing
from pyrt.api.call import Answer, Call
from pyrt.api.errors import bad_request, not_found, unsupported_media_type
from pyrt.api.query import dry_run
from pyrt.api.resources import Resource, WriteContext
from pyrt.api.table import wants_table
from pyrt.store import Store, StoredObject


def existing(store: Store, resource: Resource, call: Call) -> StoredObject:
    """The stored object that the URL names. Raises ApiError 404."""
    item = store.objects.find(resource.kind, call.route.namespace, call.route.name)
    if item is None:
        raise not_found(resource.plural, call.route.name, group=resource.group)
    return item


def json_body(call: Call) -> bytes:
    """The body of a request that carries an object. Raises ApiError 415."""
    media = call.content_type.split(";")[0].strip()
    if media not in ("", "application/json"):
        raise unsupported_media_type(media, ["application/json"])
    return call.body


def write_context(call: Call) -> WriteContext:
    """How a change is to be made. Raises ApiError 400."""
    validation = call.query.get("fieldValidation", "Strict") or "Strict"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise bad_request(
            f'fieldValidation: Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        )
    return WriteContext(
        namespace=call.route.namespace,
        dry_run=dry_run(call.repeated.get("dryRun", [])),
        field_validation=validation,
        warnings=call.warnings,
    )


def shown(resource: Resource, call: Call, item: StoredObject, code: int = 200) -> Answer:
    """One object, as itself or as the row of a table."""
    if wants_table(call.accept):
        include = call.query.get("includeObject", "Metadata")
        metadata = {"resourceVersion": str(item.resource_version)}
        return Answer(code, listing.encode_table(resource, [item], metadata, include))
    return Answer(code, item.data)
