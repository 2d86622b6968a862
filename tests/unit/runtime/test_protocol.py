"""The packets of the control socket, against native/protocol.h."""

from __future__ import annotations

import contextlib
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrt.runtime import protocol
from pyrt.runtime.podfiles import ExitRecord, read_exits, read_starts

HEADER = Path(__file__).resolve().parents[3] / "native/protocol.h"
C_LETTERS = {"uint8_t": "B", "uint16_t": "H", "uint32_t": "I", "uint64_t": "Q", "int32_t": "i"}
LAYOUTS = {
    "hello": protocol._HELLO,
    "play": protocol._PLAY,
    "start": protocol._START,
    "signal": protocol._SIGNAL,
    "attach": protocol._ATTACH,
    "resize": protocol._RESIZE,
    "target": protocol._TARGET,
    "connect": protocol._CONNECT,
    "reply": protocol._REPLY,
    "item": protocol._ITEM,
}


def c_layout(text: str, name: str) -> str:
    """The struct module's letters for a structure of the header."""
    body = re.search(rf"struct proto_{name} {{(.*?)}}", re.sub(r"/\*.*?\*/", "", text, flags=re.S), re.S)
    assert body is not None
    letters = ""
    for declaration in body[1].split(";")[:-1]:
        kind, member = declaration.strip().rsplit(" ", 1)
        array = re.search(r"\[(\d+)\]", member)
        letters += (
            c_layout(text, kind[13:]) if kind.startswith("struct") else (f"{array[1]}s" if array else C_LETTERS[kind])
        )
    return letters


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_structure_is_laid_out_as_in_c(name: str) -> None:
    expected = c_layout(HEADER.read_text(), "header") + c_layout(HEADER.read_text(), name)
    assert LAYOUTS[name].format.replace(" ", "").lstrip("=") == expected


def test_every_number_is_the_same_in_c() -> None:
    numbers = dict(re.findall(r"PROTO_(\w+) = (\d+)", HEADER.read_text()))
    for name in ("HELLO PLAY START EXEC SIGNAL ATTACH RESIZE CLOSE_STDIN REOPEN_LOG CONNECT LIST FORGET STOP").split():
        assert getattr(protocol, name) == int(numbers[name])
    for name in ("REPLY", "ITEM", "EXITED"):
        assert getattr(protocol, name) == int(numbers[name])
    assert {phase.name: phase.value for phase in protocol.SandboxPhase} == {
        name.removeprefix("SANDBOX_"): int(value) for name, value in numbers.items() if name.startswith("SANDBOX_")
    }
    assert {kind.name: kind.value for kind in protocol.Stdio} == {
        name.removeprefix("STDIO_"): int(value) for name, value in numbers.items() if name.startswith("STDIO_")
    }


def test_a_reply_is_decoded() -> None:
    packet = struct.pack("=HHIiIiIQQ", 1, 64, 7, 2, protocol.NO_SLOT, 100, 1, 5, 6)
    assert protocol.decode(packet) == protocol.Reply(7, 2, protocol.NO_SLOT, 100, 1, 5, 6)


def test_an_item_is_decoded() -> None:
    packet = struct.pack("=HHIiiQQQQBBHHH", 1, 66, 0, 100, 256, 5, 6, 7, 8, 1, 2, 2, 4, 0) + b"x1main"
    kind, item = protocol.decode(packet)  # type: ignore[misc]
    assert kind == protocol.EXITED
    assert item == protocol.ProcessItem(0, "x1", "main", True, 2, 100, 256, 5, 6, 7, 8)


@pytest.mark.parametrize("packet", [b"", b"x", struct.pack("=HHI", 2, 64, 1), struct.pack("=HHI", 1, 64, 1) + b"short"])
def test_what_is_not_of_the_protocol_is_refused(packet: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(packet)


@given(st.binary(max_size=200), st.sampled_from([64, 65, 66, 1]))
def test_noise_is_decoded_or_refused(noise: bytes, kind: int) -> None:
    with contextlib.suppress(protocol.ProtocolError):
        protocol.decode(struct.pack("=HHI", 1, kind, 1) + noise)


def test_exit_codes_are_those_of_a_shell() -> None:
    assert ExitRecord("c", False, 1, 3 << 8, 0, 0).exit_code == 3
    killed = ExitRecord("c", False, 1, 9, 0, 0)
    assert (killed.exit_code, killed.signal) == (137, 9)


def test_records_are_read_and_unfinished_ones_left_alone(tmp_path: Path) -> None:
    for name in ("containers", "exits"):
        (tmp_path / name).mkdir()
    start = "kind container\npid 5\nstart_ticks 77\nstarted 1000\n"
    (tmp_path / "containers/a").write_text(start)
    (tmp_path / "containers/.b").write_text("kind con")
    (tmp_path / "exits/a").write_text(start + "finished 2000\nstatus 256\ncode 1\nsignal 0\n")
    assert read_starts(tmp_path)["a"].start_ticks == 77
    assert read_exits(tmp_path) == {"a": ExitRecord("a", False, 5, 256, 1000, 2000)}
    assert read_exits(tmp_path / "nowhere") == {}
