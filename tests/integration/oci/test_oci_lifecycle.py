"""The life of a container, step by step, as an engine takes it through."""

import json
import os
import signal
import subprocess

import pytest


@pytest.mark.core
def test_create_start_kill_delete(runtime):
    id_ = runtime.create("a", "/bin/sleep", "1000")
    state = runtime.state(id_)
    assert state["status"] == "created"
    assert state["pid"] > 0
    assert runtime("delete", id_, fails=1).stderr.count("not stopped") == 1
    runtime("start", id_)
    assert runtime.state(id_)["status"] == "running"
    assert "already running" in runtime("start", id_, fails=1).stderr
    assert json.loads(runtime("ps", "-f", "json", id_).stdout) == [state["pid"]]
    runtime("kill", id_, "KILL")
    wait_until_stopped(runtime, id_)
    assert "container not running" in runtime("kill", id_, fails=1).stderr
    runtime("delete", id_)
    assert "container does not exist" in runtime("state", id_, fails=1).stderr


def wait_until_stopped(runtime, id_):
    pid = json.loads((runtime.root / id_ / "state.json").read_text())["pid"]
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(pidfd, "rb") as process:
        import select

        assert select.select([process], [], [], 30)[0]
    assert runtime.state(id_)["status"] == "stopped"


@pytest.mark.core
def test_the_exit_code_comes_back(runtime):
    assert runtime.run("/bin/sh", "-c", "echo out; echo err >&2; exit 7", fails=7).stdout == "out\n"
    assert runtime.run("/bin/sh", "-c", "kill -9 $$", fails=None).returncode in (137, 0)
    assert runtime("list", "-q").stdout == ""


def test_signals_go_on_to_the_container(runtime):
    words = runtime.bundle("/bin/sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done")
    process = subprocess.Popen(
        runtime.program("run", *words, runtime.id("s")), stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 9
    process.stdout.close()


@pytest.mark.parametrize(
    ("program", "message"),
    [("/nonexistent", "no such file"), ("nonexistent", "not found in $PATH"), ("/bin", "permission denied")],
)
def test_a_program_that_is_not_there_is_found_at_creation(runtime, program, message):
    assert message in runtime.run(program, fails=1).stderr
    assert runtime("list", "-q").stdout == ""


@pytest.mark.core
def test_exec(runtime):
    id_ = runtime.create("e", "/bin/sleep", "1000")
    runtime("start", id_)
    done = runtime(
        "exec", "--env", "A=b", "--cwd", "/bin", "--user", "5:6", id_, "sh", "-c", "echo $A; pwd; id", fails=0
    )
    assert done.stdout.splitlines() == ["b", "/bin", "uid=5 gid=6"]
    assert runtime("exec", id_, "sh", "-c", "exit 3", fails=3).stdout == ""
    assert "exec failed" in runtime("exec", id_, "/nonexistent", fails=255).stderr
    inside, outside = (runtime("exec", id_, "readlink", "/proc/self/ns/pid").stdout, os.readlink("/proc/self/ns/pid"))
    assert inside.strip() != outside
    descriptors = runtime("exec", id_, "ls", "/proc/self/fd").stdout.split()
    assert descriptors == ["0", "1", "2", "3"]  # the last is ls's own


@pytest.mark.core
def test_pause_and_resume(runtime):
    id_ = runtime.create("p", "/bin/sleep", "1000")
    runtime("start", id_)
    runtime("pause", id_)
    assert runtime.state(id_)["status"] == "paused"
    assert "paused" in runtime("exec", id_, "true", fails=255).stderr
    runtime("resume", id_)
    assert runtime.state(id_)["status"] == "running"
    assert "not paused" in runtime("resume", id_, fails=1).stderr


@pytest.mark.core
def test_update_and_events(runtime):
    id_ = runtime.create("u", "/bin/sleep", "1000")
    runtime("start", id_)
    runtime("update", "--memory", "64m", "--pids-limit", "20", id_)
    event = json.loads(runtime("events", "--stats", id_).stdout)
    assert event["type"] == "stats"
    assert event["data"]["memory"]["usage"]["limit"] == 64 << 20
    assert event["data"]["pids"] == {"current": 1, "limit": 20}


def test_a_killed_start_leaves_a_container_that_can_be_started(runtime):
    """Whoever connects and goes away without a word was nobody."""
    import socket

    id_ = runtime.create("k", "/bin/sleep", "1000")
    for _ in range(3):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
            path = os.open(runtime.root / id_, os.O_PATH)
            caller.connect(f"/proc/self/fd/{path}/start.sock")
            os.close(path)
    assert runtime.state(id_)["status"] == "created"
    runtime("start", id_)
    assert runtime.state(id_)["status"] == "running"


def test_pid_file_and_log(runtime):
    log = runtime.base / "log"
    runtime("--log", str(log), "--log-format", "json", "start", "nobody", fails=1)
    line = json.loads(log.read_text().splitlines()[-1])
    assert (line["level"], line["msg"]) == ("error", "container does not exist")
    runtime("run", "--pid-file", str(runtime.base / "pid"), *runtime.bundle("/bin/true"), runtime.id("f"))
    assert int((runtime.base / "pid").read_text()) > 0
