"""Running nftables commands, in this process, through libnftables.

Why not the ``nft`` program: it takes 3 to 5 ms and a fork of the daemon for what the library does in 0.2 ms without
leaving the event loop's thread, so publishing a port can be part of the synchronous start of a pod. The interface is
a handful of functions on an opaque pointer and strings (libnftables(3)), which is why ctypes is enough here. The
library comes with the nftables package.
"""

from __future__ import annotations

import ctypes
import errno
from functools import cached_property

from pyrt.network.errors import NetworkError

_LIBRARY = "libnftables.so.1"


class Nftables:
    """One libnftables context. Each :meth:`run` is one transaction: all of it takes effect, or nothing.

    It talks to the network namespace of the thread that calls it first.
    """

    @cached_property
    def _library(self) -> ctypes.CDLL:
        try:
            library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise NetworkError(f"{error}; install the nftables package", subject="nftables") from error
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
        library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        library.nft_ctx_get_error_buffer.argtypes = [ctypes.c_void_p]
        library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
        library.nft_ctx_get_output_buffer.argtypes = [ctypes.c_void_p]
        library.nft_ctx_buffer_error.argtypes = [ctypes.c_void_p]
        library.nft_ctx_buffer_output.argtypes = [ctypes.c_void_p]
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        return library

    @cached_property
    def _context(self) -> int:
        context: int | None = self._library.nft_ctx_new(0)
        if not context:
            raise NetworkError(subject="nftables", errno=errno.ENOMEM)
        self._library.nft_ctx_buffer_error(context)
        self._library.nft_ctx_buffer_output(context)
        return context

    def run(self, commands: str) -> str:
        """Run commands in nft's language and return what they print. Raises :class:`NetworkError`."""
        library, context = self._library, self._context
        failed = library.nft_run_cmd_from_buffer(context, commands.encode())
        output: bytes = library.nft_ctx_get_output_buffer(context) or b""
        complaint: bytes = library.nft_ctx_get_error_buffer(context) or b""
        if failed:
            raise NetworkError(_first_error(complaint.decode("utf-8", "replace")), subject="nftables")
        return output.decode()

    def close(self) -> None:
        """Free the context; the next :meth:`run` makes a new one."""
        context = self.__dict__.pop("_context", None)
        if context is not None:
            self._library.nft_ctx_free(context)


def _first_error(text: str) -> str:
    # "Error: Could not process rule: No such file or directory", the command, and a line of carets under the culprit.
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return "failed without a message"
    what = lines[0].split("Error: ", 1)[-1].strip()
    return f"{what}: {lines[1].strip()}" if len(lines) > 1 else what
