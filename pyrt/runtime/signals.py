"""Names of signals, as images and manifests write them."""

from __future__ import annotations

import re
import signal

from pyrt.runtime.config import ContainerConfig
from pyrt.runtime.errors import InvalidConfigError

_REALTIME = re.compile(r"RT(MIN|MAX)([+-]\d+)?")


def parse_signal(text: str) -> int:
    """``SIGTERM``, ``TERM``, ``15`` or ``SIGRTMIN+3`` (signal(7)) as a number. Raises :class:`InvalidConfigError`."""
    if text.isdigit():
        number = int(text)
    else:
        name = text.upper().removeprefix("SIG")
        realtime = _REALTIME.fullmatch(name)
        if realtime is not None:
            base = signal.SIGRTMIN if realtime[1] == "MIN" else signal.SIGRTMAX
            number = int(base) + int(realtime[2] or 0)
        else:
            number = int(getattr(signal, f"SIG{name}", 0)) if name.isalnum() else 0
    if not 1 <= number < signal.NSIG:
        raise InvalidConfigError(f"unknown signal {text!r}", operation="stop signal")
    return number


def stop_signal(config: ContainerConfig, asked: str | None) -> int:
    """What ends a container gently: what the caller asks for, else the container's, else its image's, else SIGTERM.

    A word in an image that means nothing falls back to SIGTERM: a foreign image must not make its container
    unstoppable.
    """
    if asked:
        return parse_signal(asked)
    if config.stop_signal:
        return parse_signal(config.stop_signal)
    try:
        return parse_signal(config.image.config.stop_signal or "SIGTERM")
    except InvalidConfigError:
        return int(signal.SIGTERM)
