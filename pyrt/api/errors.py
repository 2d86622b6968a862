"""What the API answers when it says no: the ``Status`` object, and one table from error families to codes.

The reasons and their codes are Kubernetes' own (apimachinery, ``meta/v1/types.go``, ``StatusReason``); so is the
wording, because people and programs match it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyrt.errors import PyrtError
from pyrt.kube.response import Status, StatusCause, StatusDetails


def status_object(
    code: int, reason: str, message: str, details: StatusDetails | None = None, status: str = "Failure"
) -> Status:
    """A ``Status``; ``code`` is the HTTP status."""
    return Status(status=status, message=message, reason=reason, details=details, code=code)


class ApiError(PyrtError):
    """An answer other than success, decided by the API itself."""

    def __init__(self, code: int, reason: str, message: str, details: StatusDetails | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def status(self) -> Status:
        """The object that goes over the wire."""
        return status_object(self.code, self.reason, self.message, self.details)


def bad_request(message: str) -> ApiError:
    """400: the request itself is malformed."""
    return ApiError(400, "BadRequest", message)


def forbidden(resource: str, name: str, why: str, *, group: str = "") -> ApiError:
    """403: understood and refused."""
    return ApiError(
        403, "Forbidden", f'{qualified(resource, group)} "{name}" is forbidden: {why}', _details(resource, name, group)
    )


def not_found(resource: str, name: str, *, group: str = "") -> ApiError:
    """404: ``pods "web" not found``."""
    return ApiError(
        404, "NotFound", f'{qualified(resource, group)} "{name}" not found', _details(resource, name, group)
    )


def no_such_path() -> ApiError:
    """404 for a path that no route serves."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", StatusDetails())


def method_not_allowed(action: str, resource: str) -> ApiError:
    """405: the resource has no such verb."""
    return ApiError(
        405,
        "MethodNotAllowed",
        f'{action} is not supported on resources of kind "{resource}"',
        StatusDetails(kind=resource),
    )


def already_exists(resource: str, name: str, *, group: str = "") -> ApiError:
    """409: ``pods "web" already exists``."""
    return ApiError(
        409, "AlreadyExists", f'{qualified(resource, group)} "{name}" already exists', _details(resource, name, group)
    )


def conflict(resource: str, name: str, why: str, *, group: str = "") -> ApiError:
    """409: a precondition (uid, resourceVersion) does not hold."""
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}',
        _details(resource, name, group),
    )


def expired(message: str) -> ApiError:
    """410: the resourceVersion or continue token is older than the history kept."""
    return ApiError(410, "Expired", message)


def too_large(limit: int) -> ApiError:
    """413: the body is larger than ``limit`` bytes."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unsupported_media_type(given: str, accepted: Sequence[str]) -> ApiError:
    """415: no decoder for this body."""
    return ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
        + (f" (got {given})" if given else ""),
    )


def invalid(kind: str, name: str, causes: Sequence[StatusCause], *, group: str = "") -> ApiError:
    """422: ``Pod "web" is invalid: spec.containers[0].image: Required value``; several causes in brackets."""
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    return ApiError(
        422,
        "Invalid",
        f'{qualified(kind, group)} "{name}" is invalid: {listed}',
        StatusDetails(name=name, group=group, kind=kind, causes=list(causes)),
    )


def internal(message: str) -> ApiError:
    """500: our fault."""
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")


def unavailable(message: str) -> ApiError:
    """503: not now (the daemon is stopping)."""
    return ApiError(503, "ServiceUnavailable", message)


def qualified(resource: str, group: str) -> str:
    """``pods``, or ``jobs.batch`` when the group is not the core group."""
    return f"{resource}.{group}" if group else resource


def _details(resource: str, name: str, group: str) -> StatusDetails:
    return StatusDetails(name=name, group=group, kind=resource)


def success(message: str = "", details: StatusDetails | None = None) -> Status:
    """What a deletion of something that vanishes at once answers, and channel 3 of a stream that went well."""
    return Status(status="Success", message=message, details=details)
