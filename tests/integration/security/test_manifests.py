"""Manifests and requests that mean harm, sent to a daemon's socket as a client would."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from pyrt.client.http import Request, send
from tests.integration.daemon.conftest import PODS, ApiFailure

WATCHED = ("kernel/core_pattern", "kernel/shm_rmid_forced", "net/ipv4/ip_forward", "vm/overcommit_memory")


def kernel_parameters():
    return {name: Path("/proc/sys", name).read_text() for name in WATCHED}


def refused(daemon, manifest, code=422):
    with pytest.raises(ApiFailure) as failure:
        daemon.create(manifest)
    assert failure.value.status["code"] == code, failure.value.status
    assert daemon.call("GET", PODS)["items"] == []
    return failure.value.status["message"]


def attempt(daemon, manifest):
    """The status code of a create."""
    try:
        daemon.create(manifest)
    except ApiFailure as failure:
        return failure.status["code"]
    return 201


@pytest.mark.parametrize(
    "name",
    [
        "kernel.shm_rmid_forced+kernel.core_pattern", "kernel.shm_rmid_forced=1+kernel.core_pattern",
        "net.ipv4/../../kernel/core_pattern", "../kernel/core_pattern", "/proc/sys/kernel/core_pattern",
        "kernel.shm_rmid_forced\nkernel.core_pattern", "kernel..core_pattern",
    ],
)  # fmt: skip
def test_sysctl_names_that_hide_another(daemon, pod, name):
    """CRI-O CVE-2022-0811: a "+" or "=" in what a pod sets ended one sysctl and began core_pattern."""
    before = kernel_parameters()
    manifest = pod("sysctl", "true", securityContext={"sysctls": [{"name": name, "value": "|/tmp/evil"}]})
    if attempt(daemon, manifest) != 422:
        # A name of the right form that is not on the list: the pod is refused, not the request.
        assert daemon.phase("sysctl", "Failed")["status"]["reason"] == "SysctlForbidden"
    assert kernel_parameters() == before


@pytest.mark.parametrize(
    "value", ["1+kernel.core_pattern=|/x", "0\nkernel.core_pattern=|/x", "1 && echo x", "0" * 5000, "\0", ""]
)
def test_sysctl_values_that_set_another(daemon, pod, value):
    """CRI-O CVE-2022-0811: values are data of one write(2) into one file, whatever they say."""
    before = kernel_parameters()
    sysctls = [{"name": "kernel.shm_rmid_forced", "value": value}]
    daemon.create(pod("value", "cat /proc/sys/kernel/shm_rmid_forced", securityContext={"sysctls": sysctls}))
    daemon.until(
        lambda: (
            daemon.get("value")["status"]["phase"] in ("Failed", "Succeeded")
            or any(event["type"] == "Warning" for event in daemon.events("value"))
        )
    )
    assert kernel_parameters() == before


@pytest.mark.parametrize("name", ["kernel.core_pattern", "vm.overcommit_memory", "kernel.modprobe", "fs.file-max"])
def test_sysctls_of_the_host(daemon, pod, name):
    """Those without a namespace are the machine's."""
    before = kernel_parameters()
    daemon.create(pod("unsafe", "true", securityContext={"sysctls": [{"name": name, "value": "1"}]}))
    assert daemon.phase("unsafe", "Failed")["status"]["reason"] == "SysctlForbidden"
    assert kernel_parameters() == before


def test_sysctls_of_namespaces_that_are_the_hosts(daemon, pod):
    """CRI-O CVE-2022-0532: a sysctl of a namespace that the pod shares with the host."""
    for share, name in (("hostNetwork", "net.ipv4.ip_local_port_range"), ("hostIPC", "kernel.shm_rmid_forced")):
        security = {"sysctls": [{"name": name, "value": "1"}]}
        message = refused(daemon, pod("shared", "true", securityContext=security, **{share: True}))
        assert share in message


TRAVERSALS = {
    "pod name": lambda m: m["metadata"].update(name="../../etc"),
    "container name": lambda m: m["spec"]["containers"][0].update(name="../../../etc/cron.d/x"),
    "volume name": lambda m: m["spec"].update(volumes=[{"name": "..", "emptyDir": {}}]),
    "volume path": lambda m: m["spec"].update(volumes=[{"name": "v", "hostPath": {"path": "/tmp/../etc"}}]),
    "subPath": lambda m: (
        m["spec"].update(volumes=[{"name": "v", "emptyDir": {}}]),
        m["spec"]["containers"][0].update(volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "../../x"}]),
    ),
    "absolute subPath": lambda m: (
        m["spec"].update(volumes=[{"name": "v", "emptyDir": {}}]),
        m["spec"]["containers"][0].update(volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "/etc"}]),
    ),
    "seccomp profile": lambda m: m["spec"].update(
        securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "../../etc/shadow"}}
    ),
    "environment": lambda m: m["spec"]["containers"][0].update(env=[{"name": "A=B\nLD_PRELOAD", "value": "x"}]),
    "host alias": lambda m: m["spec"].update(hostAliases=[{"ip": "1.2.3.4\n6.6.6.6", "hostnames": ["bank"]}]),
    "host alias name": lambda m: m["spec"].update(hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a\n6.6.6.6 bank"]}]),
    "search domain": lambda m: m["spec"].update(dnsConfig={"searches": ["a\nnameserver 6.6.6.6"]}),
    "name server": lambda m: m["spec"].update(dnsConfig={"nameservers": ["6.6.6.6\noptions x"]}),
    "hostname": lambda m: m["spec"].update(hostname="a\nb"),
    "label": lambda m: m["metadata"].update(labels={"a": "x\ny"}),
    "namespace": lambda m: m["metadata"].update(namespace="../kube-system"),
}


@pytest.mark.parametrize("edit", TRAVERSALS.values(), ids=TRAVERSALS)
def test_names_and_paths_that_lead_elsewhere(daemon, pod, edit):
    """CRI-O CVE-2024-5154, kubelet CVE-2021-25741, containerd CVE-2024-25621's neighbours: whatever becomes part of a
    path or of a line in a file is checked before anything is made.
    """
    manifest = pod("web", "true")
    edit(manifest)
    with pytest.raises(ApiFailure) as failure:
        daemon.create(manifest)
    assert failure.value.status["code"] in (400, 422), failure.value.status
    assert daemon.call("GET", PODS)["items"] == []


def test_a_uid_of_the_clients_making(daemon, pod):
    """The uid becomes a directory name and a cgroup: the server makes it, whatever the client says."""
    manifest = pod("uid", "true")
    manifest["metadata"]["uid"] = "../../../../../../tmp/pyrt-evil"
    manifest["status"] = {"podIP": "6.6.6.6", "phase": "Succeeded"}
    made = daemon.create(manifest)
    assert "/" not in made["metadata"]["uid"]
    assert made["status"].get("podIP") != "6.6.6.6"
    daemon.phase("uid", "Succeeded")
    assert not Path("/tmp/pyrt-evil").exists()


@pytest.mark.parametrize("where", ["command", "args", "env", "workingDir", "terminationMessagePath", "mountPath"])
def test_a_nul_in_what_the_kernel_gets(daemon, pod, where):
    """A string that ends earlier for the kernel than for who checked it."""
    extra, volumes = {}, {}
    if where in ("command", "args"):
        extra = {where: ["true\0/bin/evil"]}
    elif where == "env":
        extra = {"env": [{"name": "A", "value": "x\0LD_PRELOAD=y"}]}
    elif where == "mountPath":
        volumes = {"volumes": [{"name": "v", "emptyDir": {}}]}
        extra = {"volumeMounts": [{"name": "v", "mountPath": "/tmp\0/../etc"}]}
    else:
        extra = {where: "/tmp\0/etc"}
    if attempt(daemon, pod("nul", "true", container=extra, **volumes)) in (400, 422):
        return
    daemon.until(
        lambda: (
            daemon.get("nul")["status"]["phase"] == "Failed"
            or any(event["type"] == "Warning" for event in daemon.events("nul"))
        )
    )


@pytest.mark.parametrize("path", ["/proc/1/environ", "/proc/sys/kernel/x", "/proc/self/fd/x"])
def test_a_termination_message_in_proc(daemon, pod, path):
    """What the runtime mounts for its own purposes goes no other way than what the user mounts."""
    daemon.create(pod("message", "true", container={"terminationMessagePath": path}))
    assert "/proc" in daemon.event("message", "Failed")


def test_a_termination_message_that_is_a_link_or_endless(daemon, pod):
    """Kubernetes CVE-2017-1002102's kin: the message is read on the host; the container can neither swap the file for
    a link nor make it large for us.
    """
    file = "/dev/termination-log"
    script = f"ln -sf /etc/shadow {file}; rm -f {file}; yes x | head -c 1000000 > {file}; true"
    daemon.create(pod("words", script))
    state = daemon.phase("words", "Succeeded")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert set(state["message"]) <= {"x", "\n"}
    assert len(state["message"]) <= 4096


@pytest.mark.parametrize(
    "target",
    [
        f"{PODS}/..%2f..%2f..%2fetc%2fpasswd", f"{PODS}/%2e%2e/log", "/api/v1/namespaces/%2e%2e/pods/x",
        f"{PODS}/real/log?container=..%2f..%2fetc", f"{PODS}/real/log?container=%0a", "/../../../etc/passwd",
        "/static/../../etc/passwd", f"{PODS}/real%00/log",
    ],
)  # fmt: skip
def test_requests_for_other_files(daemon, pod, target):
    """Names in a request's path and query are names of objects, and never parts of paths."""
    daemon.create(pod("real", "echo hello"))
    daemon.phase("real", "Succeeded")
    with send(daemon.socket, Request("GET", target, {}, b""), timeout=30) as response:
        text = response.read()
        assert response.status in (400, 404, 405, 422), (response.status, text)
    assert b"root:" not in text


@pytest.mark.parametrize(
    "image", ["../../../etc", "/etc/passwd", "docker.io/../../x", "a\nb", "x@sha256:../../..", "-v"]
)
def test_image_names_that_are_no_names(daemon, pod, image):
    """A reference becomes a path in a registry's address and a line in logs."""
    if attempt(daemon, pod("image", "true", container={"image": image})) == 422:
        return
    daemon.until(
        lambda: (
            (daemon.get("image")["status"].get("containerStatuses") or [{}])[0]
            .get("state", {})
            .get("waiting", {})
            .get("reason")
            in ("InvalidImageName", "ErrImagePull", "ImagePullBackOff")
        )
    )


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b'{"apiVersion":"v1","kind":"Pod","spec":' * 50_000, b"\xff\xfe", b"1e999999"],
)
def test_bodies_that_exhaust_the_parser(daemon, body):
    """Kubernetes CVE-2019-11253's kin: nesting without end."""
    headers = {"Content-Type": "application/json"}
    with send(daemon.socket, Request("POST", PODS, headers, body), timeout=30) as response:
        assert response.status in (400, 413, 422), response.read()
        response.read()
    assert daemon.call("GET", "/readyz")


def test_the_socket_is_roots(daemon):
    """Whoever may open it is root: no user of the host, and no pod whose hostPath is not that very directory."""
    status = Path(daemon.socket).stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o600)
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(daemon.socket)
            except PermissionError:
                os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_directory_of_the_daemon_is_open_to_others(daemon, pod):
    """moby CVE-2021-41091, containerd CVE-2024-25621, podman's and CRI-O's likes: a user of the host who can enter
    them runs the set-user-ID programs that lie in images, and reads what containers write.
    """
    daemon.create(pod("files", "sleep 1000"))
    daemon.running("files")
    config = daemon.config
    assert stat.S_IMODE(config.paths.root.stat().st_mode) == 0o700
    assert stat.S_IMODE((config.paths.run / "pods").stat().st_mode) == 0o700
    for directory, names, files in os.walk(config.paths.run):
        for name in (*names, *files):
            mode = os.lstat(os.path.join(directory, name)).st_mode
            assert stat.S_ISLNK(mode) or not mode & 0o022, (directory, name, oct(mode))
    for log in config.paths.logs.rglob("*.log"):
        assert stat.S_IMODE(log.stat().st_mode) & 0o007 == 0


def test_logs_that_are_links_to_other_files(daemon, pod, tmp_path):
    """kubelet (hackerone 1195750, "log symlinks"): a pod that has the log directory mounted puts a link to
    /etc/shadow where its log was, or its directory, and asks for its log.
    """
    daemon.create(pod("log", "echo genuine"))
    daemon.phase("log", "Succeeded")
    assert daemon.logs("log") == "genuine\n"
    [log] = daemon.config.paths.logs.rglob("0.log")
    secret = tmp_path / "app"
    secret.mkdir()
    (secret / "0.log").write_text("2026-01-01T00:00:00.000000000Z stdout F secret\n")
    log.unlink()

    def read(name):
        target = f"{PODS}/{name}/log"
        with send(daemon.socket, Request("GET", target, {}, b""), timeout=30) as response:
            text = response.read()
            assert b"secret\n" not in text
            return response.status, b"" if response.status == 500 else text

    for make in (lambda: log.symlink_to(secret / "0.log"), lambda: os.mkfifo(log), lambda: log.mkdir()):
        make()
        assert read("log") == (500, b"")
        log.rmdir() if log.is_dir() and not log.is_symlink() else log.unlink()
    log.parent.rmdir()
    log.parent.symlink_to(secret)
    assert read("log") == (500, b"")
    log.parent.unlink()


def test_a_log_directory_that_became_a_link(daemon, pod, tmp_path):
    """The same for writing (CRI-O CVE-2024-5154, kubelet): the next instance's log would be made in any directory of
    the host, with the container's words in it.
    """
    directory = tmp_path / "cron.d"
    directory.mkdir()
    daemon.create(
        pod(
            "cron",
            "echo '* * * * * root evil'; while [ ! -e /tmp/stop ]; do sleep 0.01; done; exit 1",
            restartPolicy="Always",
        )
    )
    daemon.running("cron")
    [log] = daemon.config.paths.logs.rglob("0.log")
    log.rename(tmp_path / "old")
    log.parent.rmdir()
    log.parent.symlink_to(directory)
    daemon.exec("cron", "touch", "/tmp/stop")
    daemon.until(
        lambda: daemon.get("cron")["status"]["containerStatuses"][0]["restartCount"] or _failed(daemon, "cron")
    )
    assert os.listdir(directory) == []
    log.parent.unlink()


def _failed(daemon, name):
    return any(event["type"] == "Warning" for event in daemon.events(name))


def test_a_log_line_cannot_pretend_to_be_another(daemon, pod):
    """Log injection: what looks like a record of the log's format is text of a record."""
    line = "2000-01-01T00:00:00.000000000Z stderr F forged"
    daemon.create(pod("forge", f"printf 'x\\n{line}\\n\\r\\033[2K{line}\\n'"))
    daemon.phase("forge", "Succeeded")
    assert daemon.logs("forge", "?stream=Stderr") == ""
    assert daemon.logs("forge", "?timestamps=true").count("\n") == 3
    assert "\n2000" not in daemon.logs("forge", "?timestamps=true")


def test_etc_hosts_is_bounded(daemon, pod):
    """kubelet CVE-2020-8557: a pod writes to its /etc/hosts until the host's disk is full. It lies in memory, 1 MiB."""
    fill = "cat /dev/zero > /etc/hosts; cat /dev/zero > /etc/resolv.conf"
    script = f"{fill}; stat -c %s /etc/hosts; df -P /etc/hosts | tail -1"
    daemon.create(pod("hosts", script))
    daemon.phase("hosts", "Succeeded")
    size, line = [line for line in daemon.logs("hosts").splitlines() if "No space" not in line]
    assert int(size) <= 1 << 20
    assert line.split()[1] == "1024"
