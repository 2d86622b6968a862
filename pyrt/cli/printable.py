"""What others wrote, made fit for a terminal.

Messages of containers and events, names in image configurations and answers of registries may hold escape sequences,
which would move the cursor, rewrite what stands on the screen or answer back as keystrokes (CVE-2021-25743).
"""

from __future__ import annotations

_ESCAPES = {code: f"^{chr(code ^ 0x40)}" for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n"}
_ESCAPES |= {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
# Marks that make text run backwards, so that it reads as what it is not.
_ESCAPES |= {
    code: f"\\u{code:04x}" for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def printable(text: str) -> str:
    """``text`` with control characters spelled out (``^[`` is escape), but for tabs and line breaks."""
    return text if text.isprintable() else text.translate(_ESCAPES)
