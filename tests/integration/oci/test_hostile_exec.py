"""Entering a hostile container: whoever comes in by ``pyrt-oci exec`` gives nothing away and is led nowhere."""

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from pyrt.oci.player import PROGRAM

HELD = "CapPrm:\t"
SOURCE = Path(__file__).parents[1] / "security" / "attack.c"


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    """The attacker's program (tests/integration/security/attack.c)."""
    program = tmp_path_factory.mktemp("weapons") / "attack"
    subprocess.run(["cc", "-static", "-O1", "-w", "-o", program, SOURCE], check=True)
    return program


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "did not come"
        time.sleep(0.01)
    return found


def give(runtime, *capabilities):
    sets = runtime.config["process"]["capabilities"]
    for name in ("bounding", "permitted", "effective"):
        sets[name] = [*sets[name], *capabilities]


def stalked(runtime, id_, *flags):
    """What a tracer got hold of while others came in; (its rights, who was caught)."""
    out = runtime.base / "stalker.out"
    until(lambda: "lurking" in out.read_text())
    for _ in range(12):
        runtime("exec", *flags, id_, "/bin/true")
    return [line for line in out.read_text().splitlines() if line.startswith("caught CapPrm")]


def harmless(caught, own):
    """Nobody had a right that the stalker has not, nor anything open but the socket to tell of a failure."""
    for line in caught:
        rights, _, fds = line.removeprefix("caught ").partition(" fds")
        held, _, name = rights.partition(" Name:\t")
        assert int(held.removeprefix(HELD), 16) & ~own == 0, line
        if name.startswith("pyrt"):
            assert [fd for fd in fds.split() if not fd.startswith("socket:")] == [], line


@pytest.mark.core
def test_a_tracer_catches_nobody_who_is_entering(runtime, attack):
    """Docker, runc, crun: an exec into a container with CAP_SYS_PTRACE has the runtime's rights at first."""
    (runtime.rootfs / "bin/attack").write_bytes(attack.read_bytes())
    (runtime.rootfs / "bin/attack").chmod(0o755)
    give(runtime, "CAP_SYS_PTRACE")
    id_ = runtime.create("stalker", "/bin/attack", "stalk")
    runtime("start", id_)
    own = runtime("exec", id_, "grep", "CapPrm", "/proc/self/status").stdout
    caught = stalked(runtime, id_)
    assert caught  # else it does not try hard enough to prove anything
    harmless(caught, int(own.removeprefix(HELD), 16))


def test_a_tracer_that_was_let_in_later_catches_nobody(runtime, attack):
    """The same where the tracer's right comes from ``exec --cap``."""
    (runtime.rootfs / "bin/attack").write_bytes(attack.read_bytes())
    (runtime.rootfs / "bin/attack").chmod(0o755)
    id_ = runtime.create("c", "/bin/sleep", "1000")
    runtime("start", id_)
    with (runtime.base / "stalker.out").open("w") as out:
        stalker = subprocess.Popen(
            runtime.program("exec", "--cap", "CAP_SYS_PTRACE", id_, "/bin/attack", "stalk"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        caught = stalked(runtime, id_)
        own = runtime("exec", "--cap", "CAP_SYS_PTRACE", id_, "grep", "CapPrm", "/proc/self/status").stdout
    finally:
        stalker.terminate()
        stalker.wait(30)
    assert caught
    harmless(caught, int(own.removeprefix(HELD), 16))


def test_beside_a_tracer_nothing_is_left_out(runtime):
    """User, working directory, environment, exit code, session, process file: as without one."""
    give(runtime, "CAP_SYS_PTRACE")
    id_ = runtime.create("c", "/bin/sleep", "1000")
    runtime("start", id_)
    script = "id; pwd; echo $A; cut -d' ' -f 6 /proc/self/stat; echo $$; exit 7"
    pid_file = runtime.base / "pid"
    done = runtime(
        "exec", "--user", "5:6", "--cwd", "/bin", "--env", "A=b", "--pid-file", str(pid_file), id_, "sh", "-c", script,
        fails=7,
    )  # fmt: skip
    *first, session, pid = done.stdout.split("\n")[:-1]
    assert first == ["uid=5 gid=6", "/bin", "b"]
    assert session == pid
    assert int(pid_file.read_text()) > 0
    with open("/dev/null") as kept:
        done = runtime("exec", "--preserve-fds", "1", id_, "true", fails=None, pass_fds=(kept.fileno(),))
    assert done.returncode == 255


@pytest.mark.core
@pytest.mark.parametrize("number", [3, 5, 8])
def test_a_working_directory_among_descriptors(runtime, number):
    """runc CVE-2024-21626: the working directory is one of the runtime's own descriptors, for run, exec --cwd and
    exec --process."""
    cwd = f"/proc/self/fd/{number}"
    script = "cat /proc/self/cwd/../../../../../../etc/hostname 2>/dev/null; ls ../../../../.."
    inside = sorted(os.listdir(runtime.rootfs))
    runtime.config["process"]["cwd"] = cwd
    assert runtime.run("/bin/sh", "-c", script, fails=None).returncode != 0
    runtime.config["process"]["cwd"] = "/"
    id_ = runtime.create("c", "/bin/sleep", "1000")
    runtime("start", id_)
    inside = sorted(os.listdir(runtime.rootfs))
    process = runtime.base / "process.json"
    process.write_text(json.dumps({**runtime.config["process"], "cwd": cwd, "args": ["/bin/sh", "-c", script]}))
    (runtime.rootfs / "away").symlink_to(cwd)
    for words in (
        ["--cwd", cwd, id_, "sh", "-c", script],
        ["--process", str(process), id_],
        ["--cwd", "/away", id_, "sh"],
    ):
        done = runtime("exec", *words, fails=None)
        assert done.returncode == 255 or sorted(done.stdout.split()) == sorted({*inside, "away"}), done


def test_exec_leaks_no_descriptor(runtime):
    """Whatever the caller had open, close-on-exec or not, stays outside."""
    id_ = runtime.create("c", "/bin/sleep", "1000")
    runtime("start", id_)
    with open("/etc/passwd") as leaked:
        done = runtime("exec", id_, "ls", "/proc/self/fd", pass_fds=(leaked.fileno(),))
        assert done.stdout.split() == ["0", "1", "2", "3"]
        ran = runtime.run("/bin/ls", "/proc/self/fd", pass_fds=(leaked.fileno(),))
        assert ran.stdout.split() == ["0", "1", "2", "3"]


def test_a_container_that_has_covered_its_proc(runtime):
    """runc CVE-2016-9962, CVE-2019-19921, CVE-2025-52881 for exec: labels and oom_score_adj are written to files that
    the container has put over /proc; the terminal comes from a ptmx of its own."""
    give(runtime, "CAP_SYS_ADMIN")
    runtime.config["process"]["oomScoreAdj"] = 300
    script = (
        "PATH=/bin; busybox mkdir -p /fake/self/attr /fakepts;"
        "for f in fake/self/oom_score_adj fake/self/attr/exec fakepts/ptmx; do echo untouched > /$f; done;"
        "busybox mount -o bind /fakepts /dev/pts; busybox mount -o bind /fake /proc;"
        "echo > /ready; exec /bin/sleep 1000"
    )
    runtime.config["linux"].pop("maskedPaths", None)
    runtime.config["linux"].pop("readonlyPaths", None)
    id_ = runtime.create("c", "/bin/sh", "-c", script)
    runtime("start", id_)
    until((runtime.rootfs / "ready").exists)
    process = runtime.base / "process.json"
    process.write_text(json.dumps({**runtime.config["process"], "args": ["/bin/true"], "oomScoreAdj": 400}))
    runtime("exec", "--process", str(process), id_)
    assert runtime("exec", "--tty", id_, "true", fails=None).returncode == 255
    for name in ("fake/self/oom_score_adj", "fake/self/attr/exec", "fakepts/ptmx"):
        assert (runtime.rootfs / name).read_text() == "untouched\n"


def test_the_executable_of_who_enters_cannot_be_written(runtime):
    """runc CVE-2019-5736, by exec: the program of the container is a script whose interpreter is /proc/self/exe."""
    (runtime.rootfs / "bin/bad").write_text("#!/proc/self/exe\n")
    (runtime.rootfs / "bin/bad").chmod(0o755)
    id_ = runtime.create("c", "/bin/sleep", "1000")
    runtime("start", id_)
    before = hashlib.sha256(Path(PROGRAM).read_bytes()).digest()
    assert runtime("exec", id_, "/bin/bad", fails=None).returncode != 0
    assert hashlib.sha256(Path(PROGRAM).read_bytes()).digest() == before
