"""Where an image comes from, whatever it is: a registry, a layout directory, an archive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from pyrt.ids import Digest
from pyrt.images.manifest import Descriptor
from pyrt.images.reference import Reference


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest or index as it was served."""

    content: bytes
    media_type: str
    digest: Digest
    """Of ``content``, computed here."""


class Source(Protocol):
    """Content by reference and by digest. Errors are of :mod:`pyrt.images.errors`, with the subject set."""

    @property
    def where(self) -> str:
        """For messages: ``registry 127.0.0.1:5000``."""

    async def manifest(self, reference: Reference) -> Fetched:
        """By digest if the reference has one (and then it is verified), by tag otherwise."""

    def blob(
        self, reference: Reference, descriptor: Descriptor, retrying: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of one blob, at most ``descriptor.size`` and one more; the reader verifies the digest.

        ``retrying`` is called when the transfer was cut and is about to go on.
        """

    async def close(self) -> None:
        """Let go of connections and files."""
