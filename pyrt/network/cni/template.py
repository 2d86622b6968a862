"""The configuration that a node's CIDRs are filled into: containerd's ``conf_template`` (its docs/cri/config.md)."""

from __future__ import annotations

import contextlib
import os
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from pyrt.network.cni.conf import parse
from pyrt.network.cni.errors import CniError, ConfigurationError
from pyrt.network.cni.gotemplate import render

FILE_NAME: Final = "10-pyrt.conflist"
_EVERYWHERE: Final = {4: "0.0.0.0/0", 6: "::/0"}


def fill_in(template: str, cidrs: tuple[str, ...]) -> str:
    """The configuration: the template with ``.PodCIDR`` (the first), ``.PodCIDRRanges`` (all) and ``.Routes`` (one
    default route a family). Raises ValueError.
    """
    versions = [ip_network(cidr, strict=False).version for cidr in cidrs]
    routes = [route for version, route in _EVERYWHERE.items() if version in versions]
    return render(template, {"PodCIDR": cidrs[0], "PodCIDRRanges": list(cidrs), "Routes": routes})


def write_configuration(template: Path, directory: Path, cidrs: tuple[str, ...]) -> Path:
    """Write :data:`FILE_NAME` as a whole or not at all. Raises :class:`CniError`."""
    target = directory / FILE_NAME
    try:
        text = fill_in(template.read_text(), cidrs)
    except ValueError as error:
        raise ConfigurationError(str(error), subject=f"CNI template {template}") from error
    except OSError as error:
        raise ConfigurationError(subject=f"CNI template {template}", errno=error.errno) from error
    parse(text, f"made from {template}")
    # Not an ending that counts as a configuration.
    temporary = directory / f".{FILE_NAME}.new"
    try:
        directory.mkdir(0o755, parents=True, exist_ok=True)
        with open(temporary, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise CniError(subject=str(target), operation="write the CNI configuration", errno=error.errno) from error
    return target
