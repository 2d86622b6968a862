"""Image references, exactly as Docker and the kubelet read them.

The grammar is that of github.com/distribution/reference (``reference.go``, ``normalize.go``); the words of its errors
are what users of both search for, so they are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NoReturn

from pyrt.ids import Digest
from pyrt.images.errors import InvalidReferenceError

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"
_MAX_NAME = 255

_DOMAIN_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*|\[[a-fA-F0-9:]+\])"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = re.compile(rf"{_HOST}(?::[0-9]+)?")
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*):([0-9a-fA-F]{32,})")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A complete name: where an image is, and which one. ``str()`` is the canonical form.

    A reference always has a tag or a digest; with both, as in ``name:tag@sha256:...``, the digest decides and the tag
    is only said (containerd drops it; so does :meth:`canonical`).
    """

    domain: str
    """The registry's host, and port if any: ``docker.io``, ``localhost:5000``."""
    path: str
    """``library/nginx``."""
    tag: str = ""
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """``docker.io/library/nginx``: the repository."""
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return self.name + tag + digest

    @property
    def canonical(self) -> str:
        """The one name under which the image is kept: by digest if there is one, by tag otherwise."""
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    @property
    def familiar(self) -> str:
        """As people write it: ``nginx:latest``."""
        shown = str(self)
        if self.domain == DEFAULT_DOMAIN:
            shown = shown.removeprefix(DEFAULT_DOMAIN + "/")
            if self.path.startswith(_OFFICIAL) and self.path.count("/") == 1:
                shown = shown.removeprefix(_OFFICIAL)
        return shown

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository, by digest."""
        return replace(self, tag="", digest=digest)


def parse_reference(text: str) -> Reference:
    """Read ``text`` as ``docker pull`` does.

    Raises :class:`InvalidReferenceError`, which the kubelet shows as reason ``InvalidImageName``.
    """
    if not text:
        _invalid(text, "invalid reference format")
    if _IDENTIFIER.fullmatch(text):
        _invalid(text, f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = _split_domain(text)
    rest, at, digest = remainder.partition("@")
    path, colon, tag = rest.partition(":")
    if path.lower() != path:
        _invalid(text, f"invalid reference format: repository name ({path}) must be lowercase")
    good = _DOMAIN.fullmatch(domain) and _PATH.fullmatch(path) and (not colon or _TAG.fullmatch(tag))
    if not good or (at and not _DIGEST.fullmatch(digest)):
        _invalid(text, "invalid reference format")
    if len(path) > _MAX_NAME:
        _invalid(text, f"repository name must not be more than {_MAX_NAME} characters")
    if not at:
        return Reference(domain, path, tag or DEFAULT_TAG)
    return Reference(domain, path, tag, _checked(text, digest))


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest that this store can verify."""
    return _SHA256.fullmatch(text) is not None


def _checked(text: str, digest: str) -> Digest:
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256":
        _invalid(text, f"unsupported digest algorithm {algorithm}")
    if not is_digest(digest):
        _invalid(text, "invalid checksum digest length" if len(value) != 64 else "invalid checksum digest format")
    return Digest(digest)


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, remainder = text.partition("/")
    is_host = "." in first or ":" in first or first == "localhost" or first.lower() != first
    if not slash or not is_host:
        first, remainder = DEFAULT_DOMAIN, text
    elif first == "index.docker.io":
        first = DEFAULT_DOMAIN
    if first == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = _OFFICIAL + remainder
    return first, remainder


def _invalid(text: str, reason: str) -> NoReturn:
    # The kubelet's sentence, pkg/util/parsers.
    raise InvalidReferenceError(f'couldn\'t parse image name "{text}": {reason}')
