"""From a request's body to a typed object, for every kind that :mod:`pyrt.kube` types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pyrt.api.errors import ApiError, bad_request, invalid
from pyrt.api.resources import WriteContext
from pyrt.kube import decode
from pyrt.kube.base import KubeStruct
from pyrt.kube.field import FieldError
from pyrt.kube.response import StatusCause

T = TypeVar("T", bound=KubeStruct)


def decode_body(body: bytes, to: type[T], context: WriteContext) -> T:
    """The object in a request. What ``fieldValidation`` lets pass becomes a warning, or is dropped.

    Raises
    ------
    ApiError: 400, not an object of this kind.
    """
    tolerated: list[str] | None = None if context.field_validation == "Strict" else []
    try:
        value = decode.from_json(body, to, tolerated=tolerated)
    except decode.DecodeError as error:
        raise _undecodable(to.__name__, error) from error
    if context.field_validation == "Warn":
        context.warnings += tolerated or ()
    return value


def expect_v1(api_version: str, kind: str, wanted: str) -> None:
    """Raises ApiError 400 for an object that says it is something else than a ``v1`` object of the wanted kind."""
    if (api_version, kind) != ("v1", wanted):
        raise bad_request(
            f"the API version in the data ({api_version}/{kind}) does not match the expected API version (v1/{wanted})"
        )


def _undecodable(kind: str, error: decode.DecodeError) -> ApiError:
    if error.errors and error.errors[0].startswith("invalid JSON"):
        return bad_request(f"the object provided is unrecognized (must be of type {kind}): {error.errors[0]}")
    return bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {error}')


def refuse(kind: str, name: str, errors: Sequence[FieldError], *, group: str = "") -> None:
    """Raises ApiError 422 with every error, if there are any."""
    causes = [StatusCause(reason=e.reason, message=e.message, field=e.field) for e in errors]
    if causes:
        raise invalid(kind, name, causes, group=group)
