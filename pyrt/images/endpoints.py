"""Which source a reference is fetched from: its registry, or the mirror that the configuration names for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from pyrt.config.images import Images
from pyrt.images.credentials import Credential, Keyring, keyring_of_secrets, read_docker_config
from pyrt.images.errors import UnauthorizedError
from pyrt.images.local import open_layout
from pyrt.images.reference import Reference
from pyrt.images.registry import RegistrySource
from pyrt.images.source import Source
from pyrt.images.transport import Trust


async def open_source(
    settings: Images, reference: Reference, secrets: Sequence[str | bytes], keyring: Keyring | None = None
) -> Source:
    """The source for ``reference``, with the identities that apply to it: those of ``keyring``, or, if there is none,
    those of ``secrets`` and of this machine.

    A mirror is somebody else: it gets the credentials that are stored for its own host, never those of the registry
    that it stands in for.
    """
    domain = reference.domain
    mirror = settings.mirrors.get(domain)
    if mirror is not None and mirror.layout is not None:
        return open_layout(mirror.layout, domain=domain)
    if mirror is not None:
        host = urlsplit(mirror.url).netloc
        trust = Trust(mirror.insecure, mirror.ca_file)
        meant = await keyring.lookup(host, reference.path) if keyring is not None else ()
        return RegistrySource(
            domain,
            url=mirror.url,
            trust=trust,
            credentials=meant or await _stored(settings, secrets, host, reference.path),
            stall_timeout=settings.stall_timeout_seconds,
        )
    registry = settings.registries.get(domain)
    trust = Trust(settings.insecure(domain) or is_loopback(domain), registry.ca_file if registry is not None else None)
    if keyring is not None:
        credentials = await keyring.lookup(domain, reference.path)
    else:
        credentials = await _stored(settings, secrets, domain, reference.path)
    return RegistrySource(domain, trust=trust, credentials=credentials, stall_timeout=settings.stall_timeout_seconds)


async def _stored(settings: Images, secrets: Sequence[str | bytes], host: str, path: str) -> tuple[Credential, ...]:
    found = await (keyring_of_secrets(secrets) + read_docker_config(settings.auth_file)).lookup(host, path)
    registry = settings.registries.get(host)
    if registry is None or registry.password_file is None:
        return found
    try:
        password = registry.password_file.read_text().rstrip("\n")
    except OSError as error:
        raise UnauthorizedError(
            subject=f"registry {host}", operation=f"read {registry.password_file}", errno=error.errno
        ) from error
    return (*found, Credential(registry.username, password))


def is_loopback(domain: str) -> bool:
    """Whether the registry is this machine: Docker allows plain http there without asking."""
    host = urlsplit(f"//{domain}").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
