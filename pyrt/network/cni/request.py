"""What a plugin is given: its configuration on standard input, and its environment (pure).

SPEC 1.1.0, "Deriving request configuration from plugin configuration" and "Parameters".
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyrt.network.cni.conf import Conf, Json, Plugin, version_text

_VALID = "cni.dev/valid-attachments"
_VALID_BEFORE = "cni.dev/attachments"
"""The name that an earlier text of the specification had, and plugins may know (containernetworking/cni #1101)."""
_RESERVED = "cni.dev/"


class Command(enum.Enum):
    """CNI_COMMAND."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"
    VERSION = "VERSION"


@dataclass(frozen=True, slots=True)
class Attachment:
    """The parameters of one sandbox's place in one network."""

    container_id: str
    netns: str
    """A path; empty when the namespace is gone."""
    interface: str
    arguments: tuple[tuple[str, str], ...] = ()
    """CNI_ARGS: to every plugin."""
    capabilities: Mapping[str, object] | None = None
    """To the plugins that declare them."""


def request(conf: Conf, plugin: Plugin, attachment: Attachment | None = None, previous: Json | None = None) -> Json:
    """For ADD, DEL, CHECK with their attachment; for STATUS without."""
    document = {key: value for key, value in plugin.body.items() if not key.startswith(_RESERVED)}
    document.pop("capabilities", None)
    document["name"] = conf.name
    document["cniVersion"] = version_text(conf.version)
    if attachment is None:
        return document
    given = attachment.capabilities or {}
    wanted = {name: given[name] for name in sorted(plugin.capabilities) if name in given}
    if wanted:
        document["runtimeConfig"] = wanted
    if previous is not None:
        document["prevResult"] = previous
    return document


def collection_request(conf: Conf, plugin: Plugin, valid: Iterable[tuple[str, str]]) -> Json:
    """For GC: ``valid`` are the (container id, interface) of the attachments that there still are."""
    attachments = [{"containerID": container, "ifname": interface} for container, interface in valid]
    return {**request(conf, plugin), _VALID: attachments, _VALID_BEFORE: attachments}


def encode(document: Json) -> bytes:
    """For standard input."""
    return json.dumps(document).encode()


def environment(command: Command, search_path: str, attachment: Attachment | None = None) -> dict[str, str]:
    """Nothing of the daemon's own: plugins find their tools in the usual places, and nothing else to go by."""
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "CNI_COMMAND": command.value,
        "CNI_PATH": search_path,
    }
    if attachment is not None:
        variables |= {
            "CNI_CONTAINERID": attachment.container_id,
            "CNI_NETNS": attachment.netns,
            "CNI_IFNAME": attachment.interface,
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in attachment.arguments),
        }
    return variables
