"""The same filter in fewer instructions.

libseccomp asks for every call by its number. A profile allows or denies them in long runs, though, and what the kernel
has to do when a container starts grows with the program: translation, the passes of the JIT compiler, a walk for each
number (kernel/seccomp.c, seccomp_prepare_filter). The 902 instructions of RuntimeDefault take 0.5 ms, a tenth of a
container's start; its runs, found by halving, are 232 and take 0.16 ms.

The program is followed for each architecture, and for each run of numbers between two that it asks about, as far as it
looks at nothing else; what then depends on a call's arguments stays as it is. A program with anything in it that is
unknown here is left alone.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

_INSTRUCTION: Final = struct.Struct("=HBBI")  # struct sock_filter
_LOAD, _AND, _RETURN, _GO = 0x20, 0x54, 0x06, 0x05
_EQUAL, _GREATER, _AT_LEAST, _ANY_BIT = 0x15, 0x25, 0x35, 0x45
_COMPARISONS: Final = (_EQUAL, _GREATER, _AT_LEAST, _ANY_BIT)
_NUMBER: Final = 0  # offsets in struct seccomp_data
_ARCHITECTURE: Final = 4
_ALL_BITS: Final = 0xFFFFFFFF
_REACH: Final = 255
"""Instructions that a conditional jump can pass over."""
_MAX_STEPS: Final = 500_000
_OTHERS: Final = 0
"""Stands for the architectures that the program does not name: 0 is no AUDIT_ARCH_*."""


class Word(NamedTuple):
    """What the accumulator holds: bits of a word of the call."""

    offset: int
    mask: int = _ALL_BITS


class Answer(NamedTuple):
    """The end: what the filter returns."""

    value: int


class Question(NamedTuple):
    """A comparison of a word of the call. ``yes`` and ``no`` are numbers of nodes."""

    word: Word
    operator: int
    value: int
    yes: int
    no: int


class _Unknown(Exception):  # noqa: N818 - a signal, not an error
    """An instruction that is not understood here, or too much of everything."""


def compact(program: bytes) -> bytes:
    """A program with the same answer to every call, or the program itself."""
    try:
        reader = _Reader(program)
        root = reader.read()
        shorter = _Writer(reader.nodes).write(root)
    except (_Unknown, RecursionError):  # the latter: hundreds of conditions on one call
        return program
    return shorter if len(shorter) < len(program) else program


def answer(program: bytes, words: dict[int, int]) -> int:
    """What a program returns for a call whose words are given by their offsets: for tests and explanations."""
    instructions = list(_INSTRUCTION.iter_unpack(program))
    at = accumulator = 0
    while True:
        code, jump_true, jump_false, k = instructions[at]
        at += 1
        if code == _RETURN:
            return int(k)
        if code == _LOAD:
            accumulator = words.get(k, 0)
        elif code == _AND:
            accumulator &= k
        elif code == _GO:
            at += k
        else:
            at += jump_true if _holds(code, accumulator, k) else jump_false


def _holds(operator: int, left: int, right: int) -> bool:
    match operator:
        case 0x15:
            return left == right
        case 0x25:
            return left > right
        case 0x35:
            return left >= right
    return bool(left & right)


class _Reader:
    """From instructions to questions."""

    def __init__(self, program: bytes) -> None:
        self._program = list(_INSTRUCTION.iter_unpack(program))
        self._steps = 0
        self.nodes: list[Answer | Question] = []
        """Each once: equal ones have one number."""
        self._numbers: dict[Answer | Question, int] = {}

    def read(self) -> int:
        """The whole program as questions: architecture, number by halving, arguments."""
        architectures, edges = self._constants()
        tree = self._of_architecture(_OTHERS, edges)
        for architecture in architectures:
            tree = self._ask(
                Word(_ARCHITECTURE), _EQUAL, architecture, self._of_architecture(architecture, edges), tree
            )
        return tree

    def _node(self, node: Answer | Question) -> int:
        number = self._numbers.setdefault(node, len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(node)
        return number

    def _ask(self, word: Word, operator: int, value: int, yes: int, no: int) -> int:
        return yes if yes == no else self._node(Question(word, operator, value, yes, no))

    def _constants(self) -> tuple[list[int], list[int]]:
        """The architectures that are asked for on any way, and the numbers where an answer may change."""
        architectures: set[int] = set()
        edges = {0}
        ways: list[tuple[int, Word | None]] = [(0, None)]
        seen = set(ways)
        while ways:
            at, held = ways.pop()
            code, jump_true, jump_false, k = self._instruction(at)
            following = [at + 1]
            if code == _RETURN:
                continue
            if code == _LOAD:
                held = Word(k)
            elif code == _AND and held is not None:
                held = Word(held.offset, held.mask & k)
            elif code == _GO:
                following = [at + 1 + k]
            elif code in _COMPARISONS and held is not None:
                following = [at + 1 + jump_true, at + 1 + jump_false]
                if held.offset == _ARCHITECTURE:
                    architectures.add(k)
                elif held.offset == _NUMBER:
                    edges |= {k, k + 1} if k < _ALL_BITS else {k}
            else:
                raise _Unknown
            fresh = {(place, held) for place in following} - seen
            seen |= fresh
            ways += fresh
        return sorted(architectures - {_OTHERS}), sorted(edges)

    def _instruction(self, at: int) -> tuple[int, ...]:
        self._steps += 1
        if self._steps > _MAX_STEPS or at >= len(self._program):
            raise _Unknown
        return self._program[at]

    def _of_architecture(self, architecture: int, edges: list[int]) -> int:
        runs: list[tuple[int, int]] = []
        for first in edges:
            node = self._follow(0, None, architecture, first, {})
            if not runs or runs[-1][1] != node:
                runs.append((first, node))
        return self._halve(runs)

    def _halve(self, runs: list[tuple[int, int]]) -> int:
        if len(runs) == 1:
            return runs[0][1]
        middle = len(runs) // 2
        above, below = self._halve(runs[middle:]), self._halve(runs[:middle])
        return self._ask(Word(_NUMBER), _AT_LEAST, runs[middle][0], above, below)

    def _follow(
        self, at: int, held: Word | None, architecture: int, number: int, known: dict[tuple[int, Word | None], int]
    ) -> int:
        """What the program does from an instruction on, for one architecture and number."""
        start = (at, held)
        if start in known:
            return known[start]
        while True:
            code, jump_true, jump_false, k = self._instruction(at)
            at += 1
            if code == _RETURN:
                node = self._node(Answer(k))
                break
            if code == _LOAD:
                held = Word(k)
            elif code == _AND and held is not None:
                held = Word(held.offset, held.mask & k)
            elif code == _GO:
                at += k
            elif held is None:
                raise _Unknown
            elif held.offset not in (_NUMBER, _ARCHITECTURE):
                yes = self._follow(at + jump_true, held, architecture, number, known)
                no = self._follow(at + jump_false, held, architecture, number, known)
                node = self._ask(held, code, k, yes, no)
                break
            elif held.mask != _ALL_BITS or code == _ANY_BIT or (held.offset == _ARCHITECTURE and code != _EQUAL):
                raise _Unknown  # neither the runs of numbers nor the names of architectures are made for that
            else:
                value = number if held.offset == _NUMBER else architecture
                at += jump_true if _holds(code, value, k) else jump_false
        known[start] = node
        return node


class _Writer:
    """From questions to instructions, from the end to the beginning: every jump leads to what is already there."""

    def __init__(self, nodes: list[Answer | Question]) -> None:
        self._nodes = nodes
        self._backwards: list[bytes] = []
        self._places: dict[tuple[int, Word | None], int] = {}

    def write(self, root: int) -> bytes:
        """The program."""
        self._put(root, None)
        return b"".join(reversed(self._backwards))

    def _put(self, node: int, held: Word | None) -> int:
        """Where the instructions of a node are, counted from the end, for an accumulator that holds ``held``."""
        if isinstance(self._nodes[node], Answer):
            held = None
        place = self._places.get((node, held))
        if place is None:
            place = self._places[node, held] = self._write(node, held)
        return place

    def _write(self, number: int, held: Word | None) -> int:
        node = self._nodes[number]
        if isinstance(node, Answer):
            return self._add(_RETURN, node.value)
        if held != node.word:
            place = self._put(number, node.word)
            if len(self._backwards) != place:  # the last one written is gone on to by itself
                self._add(_GO, len(self._backwards) - place)
            if node.word.mask != _ALL_BITS:
                self._add(_AND, node.word.mask)
            return self._add(_LOAD, node.word.offset)
        no, yes = self._put(node.no, held), self._put(node.yes, held)
        # Two more instructions may come between: the jumps that reach further.
        if len(self._backwards) + 1 - no > _REACH:
            no = self._add(_GO, len(self._backwards) - no)
        if len(self._backwards) - yes > _REACH:
            yes = self._add(_GO, len(self._backwards) - yes)
        here = len(self._backwards)
        return self._add(node.operator, node.value, here - yes, here - no)

    def _add(self, code: int, k: int, jump_true: int = 0, jump_false: int = 0) -> int:
        self._backwards.append(_INSTRUCTION.pack(code, jump_true, jump_false, k))
        return len(self._backwards)
