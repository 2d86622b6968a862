"""What a plugin answers: results, errors, versions (pure). SPEC 1.1.0, section 5."""

from __future__ import annotations

import json
from ipaddress import ip_interface
from typing import Literal

from pyrt.network.cni.conf import Conf, Json, Version, parse_version, version_text

_SHOWN = 2000
"""Characters of a plugin's own words that an error repeats."""


def parse_result(output: bytes, conf: Conf) -> Json:
    """Of ADD. A result without a version has the configuration's (containernetworking/cni #895). Raises ValueError."""
    document = _object(output)
    result = {} if document is None else document
    if not result.get("cniVersion"):
        result = {**result, "cniVersion": version_text(conf.version)}
    addresses(result, "")  # what cannot be read later is refused now
    return result


def parse_versions(output: bytes) -> frozenset[Version]:
    """What a plugin answers to VERSION. Raises ValueError."""
    document = _object(output) or {}
    supported = document.get("supportedVersions")
    if supported is None and document.get("cniVersion") == "0.2.0":
        return frozenset({(0, 1, 0), (0, 2, 0)})
    if not isinstance(supported, list) or not all(isinstance(text, str) for text in supported):
        raise ValueError("expected supportedVersions")
    return frozenset(map(parse_version, supported))


def parse_error(status: int, output: bytes, complaints: bytes) -> tuple[str, int]:
    """All that a plugin said when it failed: a text and its code. ``status`` is as in :mod:`subprocess`."""
    how = f"exit status {status}" if status >= 0 else f"killed by signal {-status}"
    said = shown(complaints)
    try:
        document = _object(output) or {}
        code, message, details = document.get("code", 0), document.get("msg", ""), document.get("details", "")
        if not isinstance(code, int) or not (message or details or code):
            raise ValueError
    except ValueError:
        printed = shown(output)
        parts = [how, *([f"it printed {printed}"] if printed else []), *([f"stderr: {said}"] if said else [])]
        return "; ".join(parts) if len(parts) > 1 else f"{how}, without a word", 0
    words = [str(part) for part in (message, details) if part]
    text = f"{': '.join(words) or how} (code {code})"
    return f"{text}; stderr: {said}" if said else text, code


def shown(output: bytes) -> str:
    """A plugin's words as part of a message: one line, bounded, printable."""
    text = " ".join(output[: 4 * _SHOWN].decode(errors="replace").split())
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def addresses(result: Json, interface: str) -> list[str]:
    """Those on ``interface`` inside the sandbox, in the plugin's order, without prefix lengths. Raises ValueError.

    An address without an interface is on the one that was asked for.
    """
    names = []
    for entry in _list(result, "interfaces"):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise ValueError("interfaces: expected objects with a name")
        names.append(entry["name"])
    found = []
    for entry in [*_list(result, "ips"), *_old_addresses(result)]:
        if not isinstance(entry, dict):
            raise ValueError("ips: expected objects")
        index = entry.get("interface")
        if index is not None and not (isinstance(index, int) and 0 <= index < len(names)):
            raise ValueError(f"ips: there is no interface {index!r}")
        text = entry.get("address")
        if not isinstance(text, str):
            raise ValueError("ips: expected addresses")
        if index is None or names[index] == interface:
            found.append(str(ip_interface(text).ip))
    return found


def preferred(found: list[str], preference: Literal["ipv4", "ipv6", "cni"]) -> tuple[str, ...]:
    """The first of the wanted family first; the others stay in their order."""
    if preference != "cni":
        version = 4 if preference == "ipv4" else 6
        for index, text in enumerate(found):
            if ip_interface(text).version == version:
                return (text, *found[:index], *found[index + 1 :])
    return tuple(found)


def _old_addresses(result: Json) -> list[Json]:
    """Of results of 0.1.0 and 0.2.0."""
    old = [result[key] for key in ("ip4", "ip6") if isinstance(result.get(key), dict)]
    return [{"address": entry.get("ip")} for entry in old]


def _list(document: Json, key: str) -> list[object]:
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{key}: expected a list")
    return value


def _object(output: bytes) -> Json | None:
    try:
        document = json.loads(output)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        printed = shown(output)
        raise ValueError(f"expected a JSON object, got {printed or 'nothing'}") from error
    if document is not None and not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, got {shown(output)}")
    return document
