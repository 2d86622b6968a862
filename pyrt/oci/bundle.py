"""A bundle: a directory with a config.json and a root file system (bundle.md)."""

from __future__ import annotations

import os

from pyrt.oci.errors import OciError
from pyrt.spec import Config, Process, SpecError, decode

MAX_BYTES = 16 << 20


class Bundle:
    """What was read of one."""

    __slots__ = ("config", "data", "path", "rootfs")

    def __init__(self, path: str, data: bytes, config: Config, rootfs: str) -> None:
        self.path = path
        self.data = data
        """config.json as it stands."""
        self.config = config
        self.rootfs = rootfs
        """Absolute, links resolved."""


def load(path: str, file: str = "") -> Bundle:
    """Read the bundle in a directory; ``file`` is another place for its configuration. Raises :class:`OciError`."""
    path = os.path.realpath(path or ".")
    config_path = os.path.join(path, file or "config.json")
    try:
        with open(config_path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise OciError(f"JSON specification file {config_path} not found") from None
    except OSError as error:
        raise OciError(operation=f"open {config_path}", errno=error.errno) from error
    if len(data) > MAX_BYTES:
        raise OciError(f"larger than {MAX_BYTES} bytes", operation=f"read {config_path}")
    config = parse(data)
    if config.process is None:
        raise OciError("process property must not be empty")
    check_process(config.process)
    _refuse_unsupported(config)
    if config.root is None or not config.root.path:
        raise OciError("root must be specified")
    rootfs = os.path.realpath(os.path.join(path, config.root.path))
    if not os.path.isdir(rootfs):
        raise OciError(f"invalid rootfs: {rootfs} is not a directory")
    return Bundle(path, data, config, rootfs)


def parse(data: bytes) -> Config:
    """A config.json. Raises :class:`OciError`."""
    try:
        config = decode(data)
    except SpecError as error:
        raise OciError(str(error), subject="config.json") from error
    _check_version(config.oci_version)
    return config


def _check_version(version: str) -> None:
    """config.md, "Specification version": of major version 1, whichever minor."""
    words = version.partition("-")[0].split(".")
    if len(words) != 3 or not all(word.isascii() and word.isdigit() for word in words):
        raise OciError(f"{version!r} is not a semantic version", operation="ociVersion")
    if int(words[0]) > 1:
        raise OciError(f"version {version} of the runtime specification is not supported", operation="ociVersion")


def _refuse_unsupported(config: Config) -> None:
    """Nothing that was asked for is passed over. Raises :class:`OciError` with the field's name."""
    linux = config.linux
    asked = (
        ("linux.netDevices", linux is not None and bool(linux.net_devices)),
        ("linux.intelRdt", linux is not None and linux.intel_rdt is not None),
        ("linux.memoryPolicy", linux is not None and linux.memory_policy is not None),
        ("process.execCPUAffinity", config.process is not None and config.process.exec_cpu_affinity is not None),
    )
    for field, there in asked:
        if there:
            raise OciError("not supported", operation=field)


def check_process(process: Process) -> None:
    """What every process needs. Raises :class:`OciError`."""
    if not process.cwd:
        raise OciError("Cwd property must not be empty")
    if not process.cwd.startswith("/"):
        raise OciError("Cwd must be an absolute path")
    if not process.args:
        raise OciError("args must not be empty")
