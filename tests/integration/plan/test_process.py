"""What a process is when its program starts: user, rights, limits, files; and what is said when it cannot start."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import msgspec
import pytest

from pyrt import spec
from pyrt.launch import capabilities as caps
from pyrt.launch import probe


def status(text: str) -> dict[str, str]:
    return {k: v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}


@pytest.mark.core
def test_default_capabilities(box):
    found = status(box.run("cat", "/proc/self/status").output)
    expected = caps.mask(caps.DEFAULT) & probe().capabilities
    assert int(found["CapBnd"], 16) == int(found["CapPrm"], 16) == int(found["CapEff"], 16) == expected
    assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0
    assert found["Seccomp"] == "2"
    assert found["NoNewPrivs"] == "0"


def test_all_capabilities_are_those_the_machine_gives(box):
    box.capabilities(*caps.NAMES)
    box.linux(seccomp=None)
    running = box.start("cat", "/proc/self/status")
    missing = caps.ALL & ~probe().capabilities
    assert bool(running.plan.warnings) == bool(missing)
    assert int(status(running.finish().output)["CapEff"], 16) == probe().capabilities


def test_no_capabilities_and_no_new_privs(box):
    box.process(capabilities=None, no_new_privileges=True)
    found = status(box.run("cat", "/proc/self/status").output)
    assert int(found["CapBnd"], 16) == int(found["CapPrm"], 16) == 0
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


@pytest.mark.core
def test_user_groups_and_umask(box):
    box.process(user=spec.User(uid=1000, gid=1001, additional_gids=(5, 70000), umask=0o027))
    result = box.sh("cat /proc/self/status; umask")
    found = status(result.output)
    assert found["Uid"].split() == ["1000"] * 4
    assert found["Gid"].split() == ["1001"] * 4
    assert found["Groups"].split() == ["5", "70000"]
    assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == 0
    assert result.output.rstrip().endswith("0027")


def test_ambient_capabilities_outlive_the_change_of_user(box):
    names = ("CAP_NET_BIND_SERVICE",)
    box.process(
        user=spec.User(uid=1000),
        capabilities=spec.LinuxCapabilities(
            bounding=names, effective=names, permitted=names, inheritable=names, ambient=names
        ),
    )
    found = status(box.run("cat", "/proc/self/status").output)
    assert int(found["CapEff"], 16) == int(found["CapAmb"], 16) == caps.mask(names)


def test_a_user_can_open_its_standard_output_again(box):
    box.process(user=spec.User(uid=1000, gid=1000))
    assert box.sh("echo again > /dev/stdout").output == "again\n"


@pytest.mark.core
def test_no_descriptor_leaks(box):
    secret = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        result = box.sh("ls /proc/1/fd; true")
    finally:
        os.close(secret)
    assert sorted(int(n) for n in result.output.split()) == [0, 1, 2]


def test_signals_are_at_their_defaults(box):
    found = status(box.run("cat", "/proc/self/status").output)
    assert int(found["SigIgn"], 16) == int(found["SigBlk"], 16) == 0


@pytest.mark.core
def test_limits(box):
    box.process(rlimits=(spec.PosixRlimit(type="RLIMIT_NOFILE", soft=100, hard=200),))
    assert box.sh("ulimit -n; ulimit -Hn").output.split() == ["100", "200"]


def test_raising_a_limit_that_may_not_be_raised_names_it(box):
    if probe().capabilities & 1 << caps.NUMBERS["CAP_SYS_RESOURCE"]:
        pytest.skip("this machine may raise limits")
    box.process(rlimits=(spec.PosixRlimit(type="RLIMIT_NOFILE", soft=100, hard=1 << 30),))
    assert str(box.run("true").error) == "set RLIMIT_NOFILE soft 100 hard 1073741824: Operation not permitted"


@pytest.mark.core
def test_oom_score_adj_is_raised(box):
    box.process(oom_score_adj=321)
    assert box.run("cat", "/proc/self/oom_score_adj").output == "321\n"


def test_oom_score_adj_stays_where_it_may_not_be_lowered(box):
    with open("/proc/self/oom_score_adj") as f:
        inherited = int(f.read())
    box.process(oom_score_adj=-1000)
    expected = -1000 if probe().capabilities & 1 << caps.NUMBERS["CAP_SYS_RESOURCE"] else inherited
    assert int(box.run("cat", "/proc/self/oom_score_adj").output) == expected


def test_working_directory_is_made(box):
    box.process(cwd="/not/there")
    assert box.run("pwd").output == "/not/there\n"


@pytest.mark.parametrize("cwd", ["/proc/self/fd/{}", "/proc/self/fd/{}/../..", "/proc/1/cwd/../../.."])
def test_working_directory_cannot_be_reached_through_a_descriptor(box, cwd):
    """CVE-2024-21626: a directory of the host left open, and a working directory that leads through it."""
    leaked = os.open("/", os.O_RDONLY)
    try:
        box.process(cwd=cwd.format(leaked))
        result = box.run("ls")
    finally:
        os.close(leaked)
    assert result.error is not None or "work" not in result.output.split()


def test_working_directory_link_stays_inside(box, workdir):
    (workdir / "upper/out").symlink_to("/../../..")
    box.process(cwd="/out")
    assert box.run("pwd", "-P").output == "/\n"


def test_hostname(box):
    box.spec = msgspec.structs.replace(box.spec, hostname="web-0")
    assert box.run("hostname").output == "web-0\n"


def test_pid_one(box):
    assert box.sh("echo $$").output == "1\n"


@pytest.mark.core
def test_sysctl_of_its_own_namespace(box):
    box.linux(sysctl={"net.ipv4.ip_unprivileged_port_start": "80", "kernel.shm_rmid_forced": "1"})
    result = box.run("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/shm_rmid_forced")
    assert result.output.split() == ["80", "1"]


def test_sysctl_that_is_not_there_is_named(box):
    box.linux(sysctl={"net.ipv4.no_such_thing": "1"})
    assert str(box.run("true").error) == "set sysctl net.ipv4.no_such_thing = 1: No such file or directory"


def test_missing_program(box):
    result = box.run("no-such-program")
    assert result.error is not None
    assert result.error.exit_code == 127
    assert str(result.error) == 'exec "no-such-program": executable file not found in $PATH'


def test_missing_path(box):
    error = box.run("/bin/nothing").error
    assert error is not None
    assert (error.exit_code, str(error)) == (127, 'exec "/bin/nothing": No such file or directory')


@pytest.mark.parametrize(
    ("content", "mode", "text"), [(b"x", 0o644, "Permission denied"), (b"\0\0\0\0", 0o755, "Exec format error")]
)
def test_program_that_cannot_be_executed(box, workdir, content, mode, text):
    (workdir / "upper/prog").write_bytes(content)
    (workdir / "upper/prog").chmod(mode)
    error = box.run("/prog").error
    assert error is not None
    assert (error.exit_code, str(error)) == (126, f'exec "/prog": {text}')


def test_a_directory_is_no_program(box):
    error = box.run("/bin").error
    assert error is not None
    assert error.exit_code == 126


def test_search_goes_past_what_is_not_executable(box, workdir):
    (workdir / "upper/first").mkdir()
    (workdir / "upper/first/id").write_text("not a program")
    box.process(env=("PATH=/first::/bin",))
    assert box.run("id", "-u").output == "0\n"


@pytest.mark.core
def test_wait_for_start(box):
    box.context = replace(box.context, wait=True)
    running = box.start("echo", "started")
    reached = running.report()
    assert reached is not None
    assert reached.errno == 0
    assert running.plan.operations[reached.index].describe() == "wait for start"
    running.go()
    assert running.finish().output == "started\n"


def test_wait_ends_when_the_parent_goes(box):
    box.context = replace(box.context, wait=True)
    running = box.start("echo", "started")
    running.report()
    with socket.socket(fileno=os.dup(running.child.report_fd)) as s:
        s.shutdown(socket.SHUT_RDWR)
    assert running.finish().output == ""
