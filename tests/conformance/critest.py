#!/usr/bin/env python3
"""critest: the whole validation of a CRI runtime, on images of our own under the names that it knows.

Closes with ``N passed, N failed, N skipped``; the exit code is 0 only if none failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import benchmark
import endpoints
from toolchain import ROOT, program

from rootfs.recipes.critest import MIRRORED

UNBUILDABLE = "public image with digest should be pulled and removed"
"""Asks for an image by the sha256 of one that nobody can build again. Left out by this name; nothing else is."""
_TIMEOUT = "20m"


@dataclass(frozen=True)
class Outcome:
    """What became of one spec."""

    name: str
    state: str
    seconds: float
    reason: str


def main() -> int:
    """0 only if no spec failed."""
    parser = argparse.ArgumentParser(prog="scripts/conformance critest", description="cri-tools' validation")
    parser.add_argument("--runtime", choices=("pyrt", "containerd"), default="pyrt", help="who is tested")
    parser.add_argument("--handler", default="runc", help="with --runtime containerd: its OCI runtime (default: runc)")
    parser.add_argument("--focus", action="append", default=[], help="only specs that match this regular expression")
    parser.add_argument("--nodes", type=int, default=4, help="how many specs at a time (default: 4)")
    parser.add_argument("--critest", type=Path, help="a critest that was built elsewhere, of another version")
    parser.add_argument("--websocket", action="store_true", help="stream over WebSocket instead of SPDY")
    parser.add_argument("--benchmark", action="store_true", help="measure pyrt and containerd instead")
    parser.add_argument("--json", type=Path, help="with --benchmark: write the rows as JSON lines into this file too")
    arguments = parser.parse_args()
    # What was started ends with it, whoever asks for the end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments.benchmark:
        return benchmark.run(arguments.json)
    reports = ROOT / "build/reports"
    reports.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(endpoints.scratch("critest"))
        url = stack.enter_context(endpoints.images(directory / "registry", "critest"))
        if arguments.runtime == "pyrt":
            runtime = stack.enter_context(endpoints.pyrt(directory, url, MIRRORED))
        else:
            handler = shutil.which(arguments.handler) or arguments.handler
            runtime = stack.enter_context(endpoints.containerd(directory, url, MIRRORED, handler))
        stack.callback(shutil.copy, runtime.log, reports / f"critest-{runtime.name}.log")
        report = reports / "critest.json"
        report.unlink(missing_ok=True)
        code = _specs(runtime, arguments, reports, report)
    outcomes = [] if not report.exists() else _outcomes(report)
    if arguments.focus:
        outcomes = [spec for spec in outcomes if spec.state != "skipped" or spec.reason]
    _junit(outcomes, reports / "critest.xml")
    return _summary(outcomes, code)


def _specs(runtime: endpoints.Runtime, arguments: argparse.Namespace, reports: Path, report: Path) -> int:
    """Run critest's specs through ginkgo, as critest -parallel does; returns its exit code."""
    critest = arguments.critest or program("cri-tools", "sigs.k8s.io/cri-tools/cmd/critest", test=True)
    ginkgo = program("cri-tools", "github.com/onsi/ginkgo/v2/ginkgo")
    # ginkgo takes a program for a suite by its name.
    suite = runtime.directory / "critest.test"
    suite.symlink_to(critest.resolve())
    skips = ["benchmark", UNBUILDABLE]
    command = [
        *(str(ginkgo), "run", f"--nodes={arguments.nodes}", "--randomize-all", "-v", "--no-color"),
        *(f"--timeout={_TIMEOUT}", f"--output-dir={reports}", f"--json-report={report.name}"),
        *(f"--skip={expression}" for expression in skips),
        *(f"--focus={expression}" for expression in arguments.focus),
        *(str(suite), "--", f"-runtime-endpoint={runtime.endpoint}", f"-image-endpoint={runtime.endpoint}"),
        *(f"-websocket-{what}" for what in ("exec", "attach", "portforward") if arguments.websocket),
    ]
    started = time.monotonic()
    log = reports / "critest.out"
    with log.open("w") as raw:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "TMPDIR": str(runtime.directory)},
        )
        try:
            assert process.stdout is not None
            for number, line in enumerate(_headlines(process.stdout, raw), 1):
                print(f"{time.monotonic() - started:6.1f} s {number:4} {line}", flush=True)
        finally:
            endpoints.end(process)  # type: ignore[arg-type]
    return process.wait()


_MARK = re.compile(r"^(•|S|P)( \[(?P<state>[A-Z]+)\])?.*?(\[(?P<seconds>[0-9.]+) seconds\])?$")


def _headlines(lines: Iterator[str], raw: object) -> Iterator[str]:
    """One line a finished spec. Everything goes to ``raw``."""
    state = ""
    for line in lines:
        raw.write(line)  # type: ignore[attr-defined]
        found = _MARK.match(line.rstrip())
        if found:
            state = f"{(found['state'] or 'passed').lower()} {found['seconds'] or ''}".strip()
        elif state and line.startswith("[k8s.io]"):
            yield f"{state:15} {line.strip()}"
            state = ""


def _outcomes(report: Path) -> list[Outcome]:
    (suite,) = json.loads(report.read_text())
    found = []
    for spec in suite["SpecReports"] or ():
        if spec["LeafNodeType"] != "It":
            continue
        texts = [*(spec["ContainerHierarchyTexts"] or ()), spec["LeafNodeText"]]
        reason = (spec.get("Failure") or {}).get("Message", "")
        found.append(Outcome(" ".join(texts), spec["State"], spec["RunTime"] / 1e9, reason))
    return found


def _junit(outcomes: Sequence[Outcome], path: Path) -> None:
    """For scripts/test, which counts what every part of it has run."""
    counts = {name: str(len(_of(outcomes, name))) for name in ("passed", "failed", "skipped")}
    suite = ElementTree.Element(
        "testsuite", name="critest", tests=str(len(outcomes)), failures=counts["failed"], skipped=counts["skipped"]
    )
    for spec in outcomes:
        case = ElementTree.SubElement(suite, "testcase", name=spec.name, time=f"{spec.seconds:.3f}")
        kind = {"passed": "", "skipped": "skipped"}.get(spec.state, "failure")
        if kind:
            ElementTree.SubElement(case, kind, message=_why(spec))
    ElementTree.ElementTree(suite).write(path, encoding="unicode")


def _of(outcomes: Sequence[Outcome], kind: str) -> list[Outcome]:
    """``failed`` is all that neither passed nor was skipped: panicked, interrupted, timed out..."""
    known = [spec for spec in outcomes if spec.state == kind]
    return known if kind != "failed" else [spec for spec in outcomes if spec.state not in ("passed", "skipped")]


def _summary(outcomes: Sequence[Outcome], code: int) -> int:
    """Say it; the exit code."""
    passed, failed, skipped = (_of(outcomes, kind) for kind in ("passed", "failed", "skipped"))
    for spec in sorted(skipped, key=lambda spec: spec.name):
        print(f"skipped: {spec.name}: {_why(spec)}")
    for spec in failed:
        print(f"{spec.state}: {spec.name}\n    " + "\n    ".join(spec.reason.splitlines()[:20]))
    if not outcomes or (code and not failed):
        print(f"critest did not end as it should (exit code {code}): see build/reports/critest.out", file=sys.stderr)
    bad = len(failed) or int(not outcomes or code != 0)
    print(f"{len(passed)} passed, {bad} failed, {len(skipped)} skipped")
    return int(bad > 0)


def _why(spec: Outcome) -> str:
    if spec.reason:
        return spec.reason
    if UNBUILDABLE in spec.name:
        return "its image is pinned to a sha256 that nobody can build again"
    return "a benchmark: see --benchmark"


if __name__ == "__main__":
    sys.exit(main())
