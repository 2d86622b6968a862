"""The progress of a pull: bars with rates on a terminal, a line a layer otherwise. Everything on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyrt.cli.images import short_id
from pyrt.cli.sizes import human

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Event = dict[str, Any]

STATES = {
    "waiting": "Waiting",
    "downloading": "Downloading",
    "unpacking": "Unpacking",
    "done": "Done",
    "exists": "Exists",
}


class Lines:
    """Plain text for logs and pipes: a line when a layer's state changes."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def show(self, events: Iterator[Event]) -> Iterator[Event]:
        """Print the events on their way."""
        for event in events:
            if event.get("type") == "resolving":
                self._print(f"Pulling {event.get('image', '')}")
            elif event.get("type") == "layer":
                self._layer(event)
            yield event

    def _layer(self, event: Event) -> None:
        digest, state = event["digest"], event["state"]
        if self._states.get(digest) != state and state != "waiting":
            size = f" ({human(event['total'])})" if event.get("total") and state == "downloading" else ""
            self._print(f"{short_id(digest)}: {STATES.get(state, state)}{size}")
        self._states[digest] = state

    @staticmethod
    def _print(text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class Bars:
    """One bar a layer."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}

    def show(self, events: Iterator[Event]) -> Iterator[Event]:
        """Draw the events on their way."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}", style="cyan"),
            TextColumn("{task.fields[state]:<11}"),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=Console(stderr=True), expand=True, transient=False) as progress:
            for event in events:
                if event.get("type") == "resolving":
                    progress.console.print(f"Pulling {event.get('image', '')}", markup=False, highlight=False)
                elif event.get("type") == "layer":
                    self._layer(progress, event)
                yield event

    def _layer(self, progress: Progress, event: Event) -> None:
        digest, state, total = event["digest"], event["state"], event.get("total") or None
        if digest not in self._tasks:
            self._tasks[digest] = progress.add_task(short_id(digest), total=total, state="Waiting")
        current = total if state in {"done", "exists"} else event.get("current", 0)
        progress.update(self._tasks[digest], completed=current or 0, total=total, state=STATES.get(state, state))
