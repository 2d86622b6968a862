"""docs/cri.md, "Fields", says of every field of the requests what becomes of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pyrt.cri import runtime_pb2 as cri

_ROW = re.compile(r"\| `(\w+\.\w+)` \| (\w+) \|(.*)\|")


def documented() -> dict[str, tuple[str, str]]:
    text = Path(__file__).parents[3].joinpath("docs/cri.md").read_text().partition("\n## Fields\n")[2]
    rows = [match for line in text.partition("\n## ")[0].splitlines() if (match := _ROW.fullmatch(line))]
    found = {match[1]: (match[2], match[3].strip()) for match in rows}
    assert len(found) == len(rows), "a field is there twice"
    return found


def fields(*descriptors: Any) -> set[str]:
    """Of messages and of those in them; Windows' are refused as a whole."""
    found: set[str] = set()
    todo, seen = list(descriptors), set()
    while todo:
        descriptor = todo.pop()
        if descriptor.name in seen or descriptor.name.startswith("Windows"):
            continue
        seen.add(descriptor.name)
        for field in descriptor.fields:
            found.add(f"{descriptor.name}.{field.name}")
            if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                todo.append(field.message_type)
    return found


def test_every_field_is_told_of() -> None:
    asked = fields(cri.RunPodSandboxRequest.DESCRIPTOR, cri.CreateContainerRequest.DESCRIPTOR)
    assert sorted(documented()) == sorted(asked)


def test_what_is_ignored_has_a_reason() -> None:
    table = documented()
    assert {kind for kind, _ in table.values()} <= {"honoured", "refused", "ignored"}
    selinux = {f"SELinuxOption.{name}" for name in ("role", "type", "level")}  # told with the first
    assert {name for name, (kind, note) in table.items() if kind == "ignored" and not note} == selinux
