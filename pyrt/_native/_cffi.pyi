"""What native/cffi_build.py declares, as far as types go: cffi's objects are dynamic."""

from typing import Any

class _Ffi:
    errno: int
    NULL: Any
    def new(self, declaration: str, init: object = ...) -> Any: ...
    def from_buffer(self, declaration: str, source: object) -> Any: ...
    def string(self, data: Any) -> bytes: ...

ffi: _Ffi
lib: Any
