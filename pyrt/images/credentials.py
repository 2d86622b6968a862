"""Who we are to a registry: docker config files, imagePullSecrets, and the kubelet's rules for which one applies.

An entry's key may be a host, a host with a path, a URL, or a pattern (``*.example.com``); of several that match, the
more specific ones are tried first (kubelet, pkg/credentialprovider/keyring.go).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import fnmatch
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyrt.images.errors import UnauthorizedError
from pyrt.images.reference import DEFAULT_DOMAIN

_DOCKER_HUB = ("index.docker.io", "registry-1.docker.io", "docker.io")
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Credential:
    """A name and password, or one of the two kinds of token that ``docker login`` stores."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """An OAuth2 refresh token, exchanged at the registry's token server."""
    registry_token: str = field(default="", repr=False)
    """A bearer token, sent as it is."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Entries in the order in which they were given."""

    entries: tuple[tuple[str, Credential], ...] = ()
    helpers: tuple[tuple[str, str], ...] = ()
    """(pattern, name of a docker-credential-NAME program); pattern ``*`` is credsStore."""

    def matching(self, domain: str, path: str) -> tuple[Credential, ...]:
        """The stored credentials for a repository, most specific first."""
        found = [(pattern, one) for pattern, one in self.entries if _matches(pattern, domain, path)]
        found.sort(key=lambda entry: len(entry[0]), reverse=True)
        return tuple(dict.fromkeys(one for _, one in found))

    async def lookup(self, domain: str, path: str) -> tuple[Credential, ...]:
        """As :meth:`matching`, asking credential helpers too."""
        stored = self.matching(domain, path)
        for pattern, helper in self.helpers:
            if pattern == "*" or _matches(pattern, domain, path):
                answer = await _ask_helper(helper, domain)
                return (*stored, answer) if answer and answer not in stored else stored
        return stored

    def __add__(self, other: Keyring) -> Keyring:
        return Keyring(self.entries + other.entries, self.helpers + other.helpers)


def parse_docker_config(content: str | bytes, *, subject: str, helpers: bool = False) -> Keyring:
    """Read a docker ``config.json`` or the older ``.dockercfg`` (the bare ``auths`` object).

    ``helpers``: obey ``credHelpers`` and ``credsStore``. Only for the operator's own file: they name programs to run,
    and a Secret comes from whoever made the pod. Raises :class:`UnauthorizedError` naming ``subject`` for nonsense.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnauthorizedError(f"not valid JSON: {error}", subject=subject) from error
    if not isinstance(document, dict):
        raise UnauthorizedError("expected a JSON object", subject=subject)
    auths = document.get("auths", {} if {"credHelpers", "credsStore", "HttpHeaders"} & document.keys() else document)
    if not isinstance(auths, dict):
        raise UnauthorizedError("auths: expected a JSON object", subject=subject)
    entries = []
    for key, value in auths.items():
        if not isinstance(value, dict):
            raise UnauthorizedError(f"auths[{key!r}]: expected a JSON object", subject=subject)
        credential = _entry(key, value, subject)
        if credential != Credential():
            entries.append((key, credential))
    programs: list[tuple[str, str]] = []
    if helpers:
        named = document.get("credHelpers")
        programs += [(str(host), str(name)) for host, name in named.items()] if isinstance(named, dict) else []
        if isinstance(document.get("credsStore"), str):
            programs.append(("*", document["credsStore"]))
    return Keyring(tuple(entries), tuple(programs))


def read_docker_config(path: Path) -> Keyring:
    """The operator's file; a missing one is an empty keyring."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Keyring()
    except OSError as error:
        raise UnauthorizedError(subject=f"credentials file {path}", operation="read", errno=error.errno) from error
    return parse_docker_config(content, subject=f"credentials file {path}", helpers=True)


def keyring_of_secrets(secrets: Sequence[str | bytes]) -> Keyring:
    """The imagePullSecrets of a pod, as docker config JSONs."""
    keyrings = (parse_docker_config(one, subject=f"imagePullSecret {n}") for n, one in enumerate(secrets))
    return sum(keyrings, Keyring())


def _entry(key: str, value: dict[str, object], subject: str) -> Credential:
    def text(name: str) -> str:
        found = value.get(name, "")
        return found if isinstance(found, str) else ""

    username, password = text("username"), text("password")
    if text("auth"):
        username, password = decode_auth(text("auth"), f"auths[{key!r}].auth", subject)
    return Credential(username, password, text("identitytoken"), text("registrytoken"))


def decode_auth(text: str, field_name: str, subject: str) -> tuple[str, str]:
    """(user, password) of an ``auth``. Raises :class:`UnauthorizedError`, which names the field and not its content."""
    try:
        # Docker's own decoder drops the padding that old versions wrote.
        decoded = base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise UnauthorizedError(f"{field_name}: not base64 of user:password", subject=subject) from None
    username, _, password = decoded.rstrip("\0").partition(":")
    return username, password


def _matches(pattern: str, domain: str, path: str) -> bool:
    pattern = re.sub(r"^https?://", "", pattern)
    host, _, prefix = pattern.partition("/")
    if host in _DOCKER_HUB:
        return domain == DEFAULT_DOMAIN and (prefix.strip("/") in ("", "v1", "v2") or _below(prefix, path))
    if prefix.strip("/") in ("v1", "v2"):
        prefix = ""
    name, _, port = host.partition(":")
    asked, _, asked_port = domain.partition(":")
    if port != asked_port:
        return False
    parts, asked_parts = name.split("."), asked.split(".")
    same = len(parts) == len(asked_parts) and all(map(fnmatch.fnmatchcase, asked_parts, parts))
    return same and _below(prefix, path)


def _below(prefix: str, path: str) -> bool:
    prefix = prefix.strip("/")
    return not prefix or path == prefix or path.startswith(prefix + "/")


async def _ask_helper(name: str, domain: str) -> Credential | None:
    """The protocol of docker-credential-helpers: the server's name in, JSON out; a failure means none known."""
    if not _HELPER_NAME.fullmatch(name):
        return None
    server = "https://index.docker.io/v1/" if domain == DEFAULT_DOMAIN else domain
    try:
        process = await asyncio.create_subprocess_exec(
            f"docker-credential-{name}",
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise UnauthorizedError(
            subject=f"registry {domain}", operation=f"run docker-credential-{name}", errno=error.errno
        ) from error
    try:
        output, _ = await asyncio.wait_for(process.communicate(server.encode()), _HELPER_TIMEOUT)
    except TimeoutError as error:
        raise UnauthorizedError(f"docker-credential-{name} did not answer", subject=f"registry {domain}") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        return None
    try:
        answer = json.loads(output)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        return None
    return Credential(identity_token=secret) if username == "<token>" else Credential(username, secret)
