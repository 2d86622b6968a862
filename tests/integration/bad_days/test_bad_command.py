"""Commands and users that cannot be: the reason and the exit code that a kubectl user expects, and events."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["/no/such/program"], 127, "/no/such/program"),
        (["no-such-program"], 127, "no-such-program"),
        (["/etc/passwd"], 126, "/etc/passwd"),
        (["/etc"], 126, "/etc"),
    ],
    ids=["missing", "not in PATH", "not executable", "a directory"],
)
def test_a_command_that_cannot_run(daemon, pod, command, code, words):
    daemon.create(pod("web", *command, "argument"))
    state = daemon.terminated("web")
    assert (state["exitCode"], state["reason"]) == (code, "ContainerCannotRun")
    assert words in state["message"]
    assert words in daemon.told("web", "Failed", "Error: ")
    assert daemon.row("web")[1:4] == ["0/1", "ContainerCannotRun", "0"]
    assert daemon.pyrt("logs", "web").code in (0, 1)


def test_a_command_that_cannot_run_again_and_again(daemon, pod):
    daemon.create(pod("web", "/no/such/program", "x", restartPolicy="Always"))
    daemon.waiting("web", "CrashLoopBackOff")
    status = daemon.container("web")
    assert status["lastState"]["terminated"]["exitCode"] == 127
    assert status["restartCount"] >= 1
    assert daemon.row("web")[2] == "CrashLoopBackOff"


def test_an_image_without_a_command(daemon, pod):
    manifest = pod("web", "x", container={"image": "nocommand:1"})
    del manifest["spec"]["containers"][0]["command"]
    daemon.create(manifest)
    message = daemon.waits_with("web", "command")["message"]
    assert "app" in message or "nocommand" in message
    daemon.told("web", "Failed", "Error: ")
    assert daemon.row("web")[2] in ("CreateContainerError", "CreateContainerConfigError", "RunContainerError")


def test_a_working_directory_that_is_a_file(daemon, pod):
    daemon.create(pod("web", "true", container={"workingDir": "/etc/passwd"}))
    state = daemon.terminated("web")
    assert state["exitCode"] == 128
    assert "/etc/passwd" in state["message"]


@pytest.mark.parametrize("restart", ["Never", "Always"])
def test_an_image_of_a_user_who_is_not_there(daemon, pod, restart):
    daemon.create(pod("web", "true", container={"image": "ghost:1"}, restartPolicy=restart))
    message = daemon.waits_with("web", "ghost")["message"]
    assert "user" in message
    assert "ghost" in daemon.told("web", "Failed", "Error: ")


def test_run_as_non_root_with_an_image_of_root(daemon, pod):
    daemon.create(pod("web", "true", securityContext={"runAsNonRoot": True}))
    waiting = daemon.waiting("web", "CreateContainerConfigError")
    assert "container has runAsNonRoot and image will run as root" in waiting["message"]
    daemon.told("web", "Failed", "runAsNonRoot")
    assert daemon.row("web")[2] == "CreateContainerConfigError"
    assert daemon.get("web")["status"]["phase"] == "Pending"


def test_run_as_non_root_with_an_image_of_a_named_user(daemon, pod):
    """The kubelet does not look a name up, and refuses it; a number beside it settles the question."""
    daemon.create(pod("web", "id -u", container={"image": "named:1"}, securityContext={"runAsNonRoot": True}))
    waiting = daemon.waiting("web", "CreateContainerConfigError")
    assert "image has non-numeric user (app), cannot verify user is non-root" in waiting["message"]
    other = {"image": "named:1", "securityContext": {"runAsUser": 1000}}
    daemon.create(pod("ok", "id -u", container=other, securityContext={"runAsNonRoot": True}))
    daemon.phase("ok", "Succeeded")
    assert daemon.logs("ok") == "1000\n"


def test_run_as_non_root_with_a_user_that_is_root(daemon, pod):
    daemon.create(pod("web", "true", securityContext={"runAsNonRoot": True, "runAsUser": 0}))
    waiting = daemon.waiting("web", "CreateContainerConfigError")
    assert "container's runAsUser breaks non-root policy" in waiting["message"]


def test_a_seccomp_profile_that_is_not_there(daemon, pod):
    profile = {"type": "Localhost", "localhostProfile": "no/such.json"}
    daemon.create(pod("web", "true", securityContext={"seccompProfile": profile}))
    message = daemon.waits_with("web", "no/such.json")["message"]
    assert "seccomp" in message
    assert "No such file" in message
    daemon.told("web", "Failed", "no/such.json")


def test_a_seccomp_profile_that_is_none(daemon, pod):
    root = daemon.config.runtime.seccomp_root
    root.mkdir(parents=True, exist_ok=True)
    (root / "bad.json").write_text("{")
    profile = {"type": "Localhost", "localhostProfile": "bad.json"}
    daemon.create(pod("web", "true", securityContext={"seccompProfile": profile}))
    assert "seccomp" in daemon.waits_with("web", "bad.json")["message"]


def configure(config):
    import msgspec

    runtime = msgspec.structs.replace(config.runtime, seccomp_root=config.paths.root / "seccomp")
    return msgspec.structs.replace(config, runtime=runtime)


def test_a_sysctl_that_is_not_allowed(daemon, pod):
    daemon.create(pod("web", "true", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}))
    status = daemon.phase("web", "Failed")["status"]
    assert status["reason"] == "SysctlForbidden"
    assert status["message"] == 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert "Pod was rejected: " + daemon.event("web", "SysctlForbidden") == status["message"]
    assert daemon.row("web")[2] == "SysctlForbidden"


def test_a_sysctl_with_a_value_that_the_kernel_refuses(daemon, pod):
    sysctls = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "many"}]
    daemon.create(pod("web", "true", securityContext={"sysctls": sysctls}))
    message = daemon.told("web", "FailedCreatePodSandBox", "Failed to create pod sandbox: ")
    assert "net.ipv4.ip_unprivileged_port_start" in message or "net/ipv4/ip_unprivileged_port_start" in message
    daemon.until(lambda: not daemon.pod_processes())
    assert daemon.row("web")[1:3] == ["0/1", "ContainerCreating"]
    assert "ip_unprivileged_port_start" in daemon.pyrt("describe", "pod", "web").out
