"""opencontainers/runtime-tools' validation programs against an OCI runtime.

A program fails when its exit code is not 0, when a line of its TAP (or of the TAP of what it ran inside a container)
says "not ok", or when it tells of an error instead of a result. It is skipped when every result says SKIP. ``KNOWN``
has those that cannot pass here, with the reason; docs/oci.md says more. The closing line is ``N passed, N failed,
N skipped``; the exit code is 0 when no program failed that is not known to.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from toolchain import BUILT, HERE, ROOT, _environment, _go

PACKAGE = "github.com/opencontainers/runtime-tools"
SOURCE = HERE / "runtime-tools"
PLACE = BUILT / "runtime-tools"
SECONDS = 120

_POINTERS = "compares the addresses of two numbers"
KNOWN = {
    "hooks": 'expects "post-start1" of hooks that write "post-start1 called"',
    "delete_resources": _POINTERS,
    "linux_cgroups_pids": _POINTERS,
    "linux_cgroups_relative_pids": _POINTERS,
    "linux_cgroups_blkio": "asks for blkio.weight, which this kernel has not",
    "linux_cgroups_relative_blkio": "asks for blkio.weight, which this kernel has not",
    "linux_cgroups_hugetlb": "asks for a v1 hugetlb hierarchy, which this machine has not",
    "linux_cgroups_relative_hugetlb": "asks for a v1 hugetlb hierarchy, which this machine has not",
    "linux_cgroups_memory": "asks for a limit of kernel memory, which Linux no longer has",
    "linux_cgroups_relative_memory": "asks for a limit of kernel memory, which Linux no longer has",
    "linux_cgroups_network": "asks for net_cls and net_prio, which this machine has not",
    "linux_cgroups_relative_network": "asks for net_cls and net_prio, which this machine has not",
    "misc_props": "starts a program that it has not put into its bundle",
    "pidfile": "kills a process that has ended, and wants that to succeed",
    "poststart_fail": "wants a failed poststart hook to be passed over, as runtime-spec 1.0 did",
    "prestart": "wants prestart hooks at start, as runtime-spec 1.0 did",
    "process_capabilities": "asks for every capability; this machine gives no CAP_SYS_RESOURCE",
    "process_capabilities_fail": "wants an unknown capability to be an error, as runtime-spec 1.0 did",
    "process_rlimits": "its Go program raises the limit that it then looks at",
    "start": "wants the start of a container without a process to succeed",
}
"""What cannot pass here, and why."""


def main() -> int:
    """The exit code: 0 only if nothing failed that is not known to."""
    parser = argparse.ArgumentParser(
        prog="scripts/conformance runtime-tools", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--runtime", default=str(ROOT / ".venv/bin/pyrt-oci"), help="the runtime to test")
    parser.add_argument("--verbose", action="store_true", help="print what failing programs said")
    parser.add_argument("names", nargs="*", help="programs; all of them if none is named")
    return run(parser.parse_args())


def build() -> list[Path]:
    """The programs, with the root file system and the program that they put into their containers."""
    programs = PLACE / "bin"
    pinned = max((SOURCE / name).stat().st_mtime for name in ("go.mod", "go.sum"))
    done = PLACE / "built"
    if not done.exists() or done.stat().st_mtime < pinned:
        print(f"building {PACKAGE}", flush=True)
        shutil.rmtree(PLACE, ignore_errors=True)
        programs.mkdir(parents=True)
        _run("mod", "download", PACKAGE)
        names = _run("list", "-f", '{{if eq .Name "main"}}{{.ImportPath}}{{end}}', f"{PACKAGE}/validation/...")
        _run("build", "-o", f"{programs}/", *names.split())
        _run("build", "-o", f"{PLACE}/", f"{PACKAGE}/cmd/runtimetest")
        for archive in Path(_run("list", "-m", "-f", "{{.Dir}}", PACKAGE).strip()).glob("rootfs-*.tar.gz"):
            shutil.copyfile(archive, PLACE / archive.name)
        done.touch()
    return sorted(programs.iterdir())


def _run(*arguments: str) -> str:
    command = [_go(), *arguments]
    environment = {**_environment(), "CGO_ENABLED": "0"}  # they run inside containers without libraries
    done = subprocess.run(
        command, cwd=SOURCE, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])}: {done.stderr[-3000:]}")
    return done.stdout


def verdict(code: int, output: str, errors: str) -> tuple[str, str]:
    """``pass``, ``fail`` or ``skip``, and what decided it."""
    lines = output.splitlines()
    if code != 0:
        said = errors.strip() or output.strip() or "no output"
        return "fail", f"exit code {code}: {said.splitlines()[-1]}"
    for line in lines:
        if re.match(r"\s*not ok\b", line) or "\\nnot ok" in line:
            return "fail", line.strip()[:160]
    results = [line for line in lines if re.match(r"ok \d+", line)]
    if not results:
        # Some tell of an error in a block, and of nothing else.
        told = next((line.strip() for line in lines if line.strip().startswith('"error"')), "")
        return ("fail", told[:160]) if told else ("pass", "")
    if all("# SKIP" in line for line in results):
        return "skip", results[0]
    return "pass", ""


def run(options: argparse.Namespace) -> int:
    """Build, run, count."""
    counts = {"pass": 0, "fail": 0, "skip": 0}
    unexpected = []
    for program in build():
        if options.names and program.name not in options.names:
            continue
        word, why, text = _one(program, options.runtime)
        counts[word] += 1
        known = KNOWN.get(program.name, "")
        print(f"{word:5}{program.name}{'' if word == 'pass' else '  ' + (known or why)}", flush=True)
        if word == "fail":
            unexpected += [] if known else [program.name]
            if options.verbose:
                print(text)
    print(f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped")
    return 1 if unexpected else 0


def _one(program: Path, runtime: str) -> tuple[str, str, str]:
    environment = {**os.environ, "RUNTIME": runtime}
    try:
        done = subprocess.run(
            [str(program)],
            cwd=PLACE,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "fail", f"not finished after {SECONDS} seconds", ""
    word, why = verdict(done.returncode, done.stdout, done.stderr)
    return word, why, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
