#!/usr/bin/env python3
"""A real kubelet, standalone, with static pods on pyrt's CRI socket.

Says what it saw; the exit code is 0 if that is all that was to be seen. The kubelet gets directories, ports and a
cgroup of its own. Two places of it cannot be moved: /var/log/containers, where it keeps links to logs, and
/var/lib/kubelet/device-plugins.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import endpoints
from toolchain import HERE, ROOT, program

from rootfs import registry

NODE = "kubelet-check"
UNUSED = "docker.io/pyrt/stopsignal:latest"
"""An image that no pod names: what the kubelet's collection has to find."""
_PATIENCE = 120.0
"""Seconds until something has to be seen."""

Json = dict[str, Any]


class Check:
    """What was to be seen, and was or was not."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        self._started = time.monotonic()

    def saw(self, what: str, truth: object = True) -> None:
        """One observation."""
        print(f"{time.monotonic() - self._started:6.1f} s  {'ok    ' if truth else 'MISSED'}  {what}", flush=True)
        if not truth:
            self.missed.append(what)

    def until(self, what: str, look: Callable[[], object], patience: float = _PATIENCE) -> Any:
        """Look until there is something. ``look`` may fail meanwhile."""
        deadline, failure = time.monotonic() + patience, ""
        while time.monotonic() < deadline:
            try:
                found = look()
            except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError) as error:
                found, failure = None, f" ({error})"
            if found:
                self.saw(what)
                return found
            time.sleep(0.1)
        self.saw(what + failure, False)
        return None


class Kubelet:
    """The process, its directories and what it answers."""

    def __init__(self, directory: Path, endpoint: str) -> None:
        self.directory = directory
        self.manifests = directory / "manifests"
        self.log = directory / "kubelet.log"
        self.cgroup = f"pyrt-kubelet-{directory.name[-8:]}"
        self._endpoint = endpoint
        self._port, self._read_port = registry.free_port(), registry.free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.manifests.mkdir()

    def start(self, **more: object) -> None:
        """``more`` goes into its configuration."""
        for hierarchy in hierarchies():
            (hierarchy / self.cgroup).mkdir(exist_ok=True)
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "127.0.0.1",
            "port": self._port,
            "readOnlyPort": self._read_port,
            "healthzPort": 0,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cgroup}",
            "containerRuntimeEndpoint": self._endpoint,
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "oomScoreAdj": 0,
            "podLogsDir": str(self.directory / "pods"),
            "staticPodPath": str(self.manifests),
            "fileCheckFrequency": "1s",
            "volumePluginDir": str(self.directory / "plugins"),
            "volumeStatsAggPeriod": "5s",
            "evictionPressureTransitionPeriod": "5s",
            "imageMinimumGCAge": "1s",
            **more,
        }
        config = self.directory / "kubelet.json"
        config.write_text(json.dumps(settings))
        command = [
            *(str(program("kubernetes", "k8s.io/kubernetes/cmd/kubelet")), f"--config={config}", "--v=2"),
            *(f"--root-dir={self.directory}/root", f"--cert-dir={self.directory}/pki", f"--hostname-override={NODE}"),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, start_new_session=True
            )

    def stop(self) -> None:
        """Its pods stay."""
        endpoints.end(self._process)

    def get(self, path: str) -> Json:
        """From the port that only tells."""
        answer: Json = json.loads(_fetch(f"http://127.0.0.1:{self._read_port}{path}"))
        return answer

    def pod(self, name: str) -> Json:
        """The pod of a manifest, with its status. Raises KeyError."""
        for pod in self.get("/pods")["items"] or ():
            if pod["metadata"]["name"] == f"{name}-{NODE}":
                found: Json = pod
                return found
        raise KeyError(name)

    def said(self, *words: str) -> str:
        """The last line of its log with all these words."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if all(word in line for word in words)), "")


def _fetch(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as response:
        return str(response.read().decode())


def hierarchies() -> Iterator[Path]:
    """The roots of the cgroup hierarchies that a kubelet looks into."""
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        yield Path("/sys/fs/cgroup")
        return
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if " - cgroup " in line:
            yield Path(fields[4])


class Crictl:
    """cri-tools' client."""

    def __init__(self, endpoint: str) -> None:
        self._command = [str(program("cri-tools", "sigs.k8s.io/cri-tools/cmd/crictl")), "-r", endpoint, "-i", endpoint]

    def __call__(self, *words: str) -> str:
        done = subprocess.run([*self._command, *words], capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    def json(self, *words: str) -> Json:
        """Of the commands that have ``-o json``."""
        answer: Json = json.loads(self(words[0], "-o", "json", *words[1:]))
        return answer

    def pids(self) -> dict[str, int]:
        """Of every running container: its id and its first process."""
        running = self.json("ps")["containers"]
        return {one["id"]: self.json("inspect", one["id"])["info"]["pid"] for one in running}


def ready(pod: Json) -> bool:
    """Is it?"""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True"


def container(pod: Json, name: str = "") -> Json:
    """The status of one of its containers."""
    everyone = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
    return next(one for one in everyone if name in ("", one["name"]))


def restarts(kubelet: Kubelet, *names: str) -> dict[str, int]:
    """How often each container of these pods was restarted."""
    found = {}
    for name in names:
        status = kubelet.pod(name)["status"]
        for one in [*status.get("initContainerStatuses", ()), *status["containerStatuses"]]:
            found[f"{name}/{one['name']}"] = one["restartCount"]
    return found


def pods_run(check: Check, kubelet: Kubelet) -> None:
    """The pods of the manifests come to what they are made for."""
    nginx = check.until("nginx: Running and Ready", lambda: (p := kubelet.pod("nginx")) and ready(p) and p)
    if nginx:
        ip = nginx["status"]["podIP"]
        check.until(f"nginx: its page at {ip}", lambda: "Welcome to nginx" in _fetch(f"http://{ip}/"))
    sidecar = check.until("sidecar: Ready by its probes", lambda: (p := kubelet.pod("sidecar")) and ready(p) and p)
    if sidecar:
        ended = container(sidecar, "prepare")["state"].get("terminated", {})
        check.saw("sidecar: its init container ended with 0 before", ended.get("exitCode") == 0)
        check.saw("sidecar: its sidecar has started and runs", container(sidecar, "web")["started"])
    oom = check.until("oom: ended", lambda: (p := kubelet.pod("oom")) and "terminated" in container(p)["state"] and p)
    if oom:
        ended = container(oom)["state"]["terminated"]
        said = f"oom: reason {ended.get('reason')}, exit code {ended.get('exitCode')}, pod {oom['status']['phase']}"
        check.saw(said, (ended.get("reason"), ended.get("exitCode")) == ("OOMKilled", 137))
    loop = check.until(
        "loop: restarted twice", lambda: (p := kubelet.pod("loop")) and container(p)["restartCount"] >= 2 and p
    )
    if loop:
        # Its status says so only from the sync after, which may be the one that starts it again.
        check.until(
            "loop: waits in CrashLoopBackOff",
            lambda: kubelet.said("back-off", "CrashLoopBackOff", "container=app", "pod=loop-"),
        )
        status = container(loop)
        states = (status["state"], status.get("lastState", {}))
        check.saw("loop: exit code 3", 3 in [one.get("terminated", {}).get("exitCode") for one in states])


def summary(check: Check, kubelet: Kubelet) -> None:
    """/stats/summary."""

    def used() -> object:
        pods = {pod["podRef"]["name"]: pod for pod in kubelet.get("/stats/summary")["pods"]}
        nginx = pods[f"nginx-{NODE}"]
        return nginx["memory"]["workingSetBytes"] > 0 and nginx["containers"][0]["rootfs"]["usedBytes"] >= 0 and nginx

    found = check.until("/stats/summary: memory, CPU and disk of nginx", used)
    if found:
        print(f"          working set {found['memory']['workingSetBytes']} bytes, {found['containers'][0]['rootfs']}")


def killed_daemon(check: Check, kubelet: Kubelet, crictl: Crictl, runtime: endpoints.Runtime) -> None:
    """pods stay up without the daemon, and nothing is restarted when it is back."""
    lasting = ("nginx", "sidecar")
    before, counts = crictl.pids(), restarts(kubelet, *lasting)
    ip = kubelet.pod("nginx")["status"]["podIP"]
    assert runtime.process is not None
    runtime.process.send_signal(signal.SIGKILL)
    runtime.process.wait()
    check.saw("the daemon is killed with SIGKILL")
    check.saw("nginx serves without it", "Welcome to nginx" in _fetch(f"http://{ip}/"))
    check.saw(
        f"all {len(before)} containers run without it", all(Path(f"/proc/{pid}").exists() for pid in before.values())
    )
    endpoints.start_pyrt(runtime)
    check.saw("the daemon is back")
    check.saw("the same processes", {i: p for i, p in crictl.pids().items() if i in before} == before)
    # Long enough for the kubelet's relisting, its probes and its housekeeping to have found something to do.
    time.sleep(10)
    check.saw("10 s later: the same processes", {i: p for i, p in crictl.pids().items() if i in before} == before)
    check.until(f"10 s later: restart counts as before: {counts}", lambda: restarts(kubelet, *lasting) == counts, 5)
    check.until("nginx and sidecar are Ready", lambda: all(ready(kubelet.pod(name)) for name in lasting))


def killed_container(check: Check, kubelet: Kubelet, crictl: Crictl) -> None:
    """What ends is started again by the kubelet."""
    wanted = container(kubelet.pod("nginx"))["containerID"].partition("://")[2]
    os.kill(crictl.pids()[wanted], signal.SIGKILL)
    check.until(
        "nginx: its process was killed, and its container was restarted",
        lambda: (s := container(kubelet.pod("nginx")))["restartCount"] == 1 and "running" in s["state"],
    )


def collection(check: Check, kubelet: Kubelet, crictl: Crictl) -> None:
    """Dead containers, and images when the disk is said to be full.

    A kubelet never evicts static pods (pkg/kubelet/types, IsCriticalPod), and standalone it has no others: what can
    be seen of its eviction is that it finds the pressure by the runtime's figures, frees what it can by the runtime's
    RemoveImage, and then goes through the pods.
    """

    def dead() -> int:
        everything = crictl.json("ps", "-a", "--name", "app", "--state", "exited")["containers"]
        return sum(one["labels"]["io.kubernetes.pod.name"].startswith("loop-") for one in everything)

    check.until("loop: no more dead containers are kept than one", lambda: dead() <= 1)
    crictl("pull", UNUSED)
    names = [name for image in crictl.json("images")["images"] for name in image["repoTags"]]
    check.saw("an image that no pod uses is there", UNUSED in names)
    before = crictl.pids()
    kubelet.stop()
    kubelet.start(evictionHard={"imagefs.available": "99.9%", "nodefs.available": "0%"})
    check.until(
        "with another threshold the kubelet finds imagefs.available below it",
        lambda: kubelet.said("attempting to reclaim", "ephemeral-storage"),
    )
    check.until(
        "the unused image is collected",
        lambda: UNUSED not in [name for image in crictl.json("images")["images"] for name in image["repoTags"]],
    )
    check.until("it goes through the pods, and leaves static ones", lambda: kubelet.said("critical pod"))
    after = crictl.pids()
    check.saw("a new kubelet starts nothing again", all(after.get(one) == pid for one, pid in before.items()))


def removal(check: Check, kubelet: Kubelet, crictl: Crictl) -> None:
    """Without manifests nothing is left."""
    for manifest in kubelet.manifests.iterdir():
        manifest.unlink()
    check.until(
        "the manifests are gone, and with them every container", lambda: not crictl.json("ps", "-a")["containers"]
    )
    check.until("and every sandbox", lambda: not crictl.json("pods")["items"])


def clean_up(kubelet: Kubelet, plugins_before: bool) -> None:
    """What a kubelet leaves: mounts of volumes, cgroups, links to logs."""
    kubelet.stop()
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in reversed([path for path in mounts if path.startswith(f"{kubelet.directory}/root")]):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    for hierarchy in hierarchies():
        for directory, _, _ in os.walk(hierarchy / kubelet.cgroup, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
    links = Path("/var/log/containers")
    for link in links.glob(f"*-{NODE}_*.log"):
        link.unlink()
    if not plugins_before:
        shutil.rmtree("/var/lib/kubelet", ignore_errors=True)
        with contextlib.suppress(OSError):
            links.rmdir()


def main() -> int:
    """0 only if everything was seen."""
    parser = argparse.ArgumentParser(prog="scripts/kubelet-check", description="A real kubelet on pyrt.")
    parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    program("kubernetes", "k8s.io/kubernetes/cmd/kubelet")
    check, reports = Check(), ROOT / "build/reports"
    reports.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(endpoints.scratch("kubelet"))
        url = stack.enter_context(endpoints.images(directory / "registry", "busybox", "nginx", "tests"))
        runtime = stack.enter_context(endpoints.pyrt(directory, url, ("docker.io",), "kubelet"))
        stack.callback(shutil.copy, runtime.log, reports / "kubelet-pyrt.log")
        crictl = Crictl(runtime.endpoint)
        home = directory / "kubelet"
        home.mkdir()
        kubelet = Kubelet(home, runtime.endpoint)
        stack.callback(shutil.copy, kubelet.log, reports / "kubelet.log")
        stack.callback(clean_up, kubelet, Path("/var/lib/kubelet").exists())
        shutil.copy(ROOT / "tests/data/seed/nginx-pod.yaml", kubelet.manifests)
        for manifest in (HERE / "manifests").iterdir():
            shutil.copy(manifest, kubelet.manifests)
        kubelet.start()
        pods_run(check, kubelet)
        summary(check, kubelet)
        killed_daemon(check, kubelet, crictl, runtime)
        killed_container(check, kubelet, crictl)
        collection(check, kubelet, crictl)
        removal(check, kubelet, crictl)
    print(f"{len(check.missed)} missed" if check.missed else "everything was seen")
    return int(bool(check.missed))


if __name__ == "__main__":
    sys.exit(main())
