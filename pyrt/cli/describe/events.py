"""The table of events at the end of a description."""

from __future__ import annotations

from typing import Any

from pyrt.cli.commands.events import last_seen, when
from pyrt.cli.describe.writer import Writer


def describe_events(out: Writer, events: list[dict[str, Any]] | None) -> None:
    """The events, the oldest first; nothing when none were asked for."""
    if events is None:
        return
    if not events:
        out.line("Events:", "<none>")
        return
    out.line("Events:")
    out.line("Type", "Reason", "Age", "From", "Message", level=1)
    out.line("----", "------", "----", "----", "-------", level=1)
    for event in sorted(events, key=last_seen):
        source = event.get("source") or {}
        sender = event.get("reportingComponent") or source.get("component") or ""
        text = (event.get("message") or "").strip().split("\n")[0]
        out.line(event.get("type", ""), event.get("reason", ""), when(event), sender, text, level=1)
