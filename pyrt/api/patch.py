"""The patch formats: JSON merge patch (RFC 7386), JSON patch (RFC 6902), and Kubernetes' strategic merge patch
(:mod:`pyrt.kube.jsonpatch`, :mod:`pyrt.kube.strategic`). Here: the media types, and which failure is which code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from pyrt.api.errors import ApiError, bad_request, unsupported_media_type
from pyrt.kube import jsonpatch, strategic

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
PATCH_TYPES: Final = frozenset((MERGE, STRATEGIC, JSON_PATCH))
APPLY_TYPES: Final = frozenset(("application/apply-patch+yaml", "application/apply-patch+cbor"))
"""Server-side apply."""


def patch_type(content_type: str) -> str:
    """The format of a request's patch. Raises ApiError 415, also for server-side apply, which is told apart."""
    media = content_type.split(";")[0].strip()
    if media in PATCH_TYPES:
        return media
    error = unsupported_media_type(media, sorted(PATCH_TYPES))
    if media in APPLY_TYPES:
        text = f"server-side apply is not supported by this server: use client-side apply; {error.message}"
        raise ApiError(error.code, error.reason, text)
    raise error


def apply_patch(media: str, target: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The patched object; ``target`` itself is not changed. Raises ApiError 400, 413 and 422."""
    try:
        document = msgspec.json.decode(body)
        if media != JSON_PATCH and not isinstance(document, dict):
            raise strategic.PatchError("expected an object")
        patched = _APPLY[media](target, document)
    except msgspec.DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except jsonpatch.TooLargeError as error:
        raise ApiError(413, "RequestEntityTooLarge", error.message) from error
    except jsonpatch.InapplicableError as error:
        raise _unprocessable(error.message) from error
    except strategic.PatchError as error:
        raise bad_request(f"error decoding patch: {error.message}") from error
    if not isinstance(patched, dict):
        raise _unprocessable("the patch does not leave an object")
    return patched


_APPLY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    JSON_PATCH: jsonpatch.apply,
    MERGE: jsonpatch.merge,
    STRATEGIC: strategic.apply,
}


def _unprocessable(message: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}")
