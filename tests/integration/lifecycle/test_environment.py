"""Environment variables from objects, resources, the pod itself and files, and what happens while one is missing."""

from __future__ import annotations

import os

import pytest

from .conftest import FOREVER

CONF = "conf"
CREDS = "creds"


def config_map(name=CONF, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name=CREDS, **values):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def env(**sources):
    """``env`` of a container: name to value, or to valueFrom."""
    return [{"name": k, "value": v} if isinstance(v, str) else {"name": k, "valueFrom": v} for k, v in sources.items()]


def key(kind, name, key, **fields):
    return {f"{kind}KeyRef": {"name": name, "key": key, **fields}}


def limit(resource, **fields):
    return {"resourceFieldRef": {"resource": resource, **fields}}


@pytest.fixture(autouse=True)
def _without_objects(daemon):
    yield
    daemon.pyrt("delete", "configmap,secret", "--all")


def variables(daemon, name):
    """What the first process was started with."""
    text = daemon.exec(name, "cat", "/proc/1/environ", query="&container=app")[1]
    return dict(line.split("=", 1) for line in text.split("\0") if line)


@pytest.mark.core
def test_whole_objects_and_single_keys(daemon, name, pod):
    container = {
        "envFrom": [
            {"configMapRef": {"name": CONF}},
            {"prefix": "S_", "secretRef": {"name": CREDS}},
            {"configMapRef": {"name": "never", "optional": True}},
        ],
        "env": env(
            COLOR="$(color)-$(S_user)",
            size="over",
            PASSWORD=key("secret", CREDS, "password"),
            URL="$(PASSWORD)@$(unknown)$$(COLOR)",
            NONE=key("configMap", CONF, "nothing", optional=True),
            NEVER=key("secret", "never", "nothing", optional=True),
        ),
    }
    daemon.apply(
        config_map(**{"color": "red", "size": "1", "dot.ted-name": "x"}), secret(user="ali", password="sesame")
    )
    daemon.apply(pod("sleep", "1000", container=container))
    daemon.running(name)
    found = variables(daemon, name)
    assert {k: v for k, v in found.items() if k not in ("PATH", "HOSTNAME", "HOME", "PWD", "SHLVL")} == {
        "color": "red",
        "size": "over",
        "dot.ted-name": "x",
        "S_user": "ali",
        "S_password": "sesame",
        "COLOR": "red-ali",
        "PASSWORD": "sesame",
        "URL": "sesame@$(unknown)$(COLOR)",
    }


def test_facts_about_the_pod_and_its_resources(daemon, name, pod, shell):
    resources = {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "10m", "memory": "1000k"}}
    container = {
        "resources": resources,
        "env": env(
            CPU=limit("limits.cpu"),
            MILLI=limit("limits.cpu", divisor="1m"),
            MEMORY=limit("limits.memory", divisor="1Mi"),
            REQUEST=limit("requests.memory", divisor="1Ki"),
            DISK=limit("requests.ephemeral-storage"),
            OTHER=limit("limits.cpu", containerName="other"),
            LABEL={"fieldRef": {"fieldPath": "metadata.labels['app']"}},
            NODE={"fieldRef": {"fieldPath": "spec.nodeName"}},
            ADDRESS={"fieldRef": {"fieldPath": "status.podIP"}},
        ),
    }
    made = pod("sleep", "1000", container=container)
    made["spec"]["containers"].append(shell("other"))
    made["metadata"]["labels"] = {"app": "web"}
    daemon.apply(made)
    running = daemon.running(name)
    found = variables(daemon, name)
    assert (found["CPU"], found["MILLI"], found["MEMORY"], found["REQUEST"]) == ("2", "1500", "64", "977")
    assert found["DISK"] == "0"
    assert found["OTHER"] == str(os.cpu_count()), "without a limit: what the node has"
    assert (found["LABEL"], found["NODE"]) == ("web", running["spec"]["nodeName"])
    assert found["ADDRESS"] == running["status"]["podIP"]


@pytest.mark.parametrize("medium", ["", "Memory"])
def test_variables_out_of_a_file_that_an_init_container_wrote(daemon, name, pod, shell, medium):
    work = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    script = r"""printf "# made\nA='one'\nB='two\nlines' # more\n" >/work/vars; ln -s /work/vars /work/away"""

    def file(key, path="vars", **fields):
        return {"fileKeyRef": {"volumeName": "work", "path": path, "key": key, **fields}}

    container = {"env": env(A=file("A"), B=file("B"), C=file("C", optional=True), D=file("A", "no", optional=True))}
    volumes = [{"name": "work", "emptyDir": {"medium": medium}}]
    daemon.apply(
        pod("sleep", "1000", container=container, initContainers=[shell("init", script, **work)], volumes=volumes)
    )
    daemon.running(name)
    found = variables(daemon, name)
    assert (found["A"], found["B"]) == ("one", "two\nlines")
    assert not {"C", "D"} & found.keys()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("A=one", "couldn't parse env file: invalid environment variable format at line 1: value must be enclosed"),
        ("B='x'", 'environment variable key "A" not found in file "vars"'),
    ],
)
def test_a_file_that_does_not_say(daemon, name, pod, shell, content, words):
    work = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    container = {"env": env(A={"fileKeyRef": {"volumeName": "work", "path": "vars", "key": "A"}})}
    init = shell("init", f'echo "{content}" >/work/vars', **work)
    daemon.apply(pod(container=container, initContainers=[init], volumes=[{"name": "work", "emptyDir": {}}]))
    waiting = daemon.state(name, "app", "waiting", "CreateContainerConfigError")["state"]["waiting"]
    assert waiting["message"].startswith(words)


@pytest.mark.parametrize("trap", ["ln -s /etc/passwd /work/vars", "mkfifo /work/vars", "ln -s ../../../../etc /work/d"])
def test_a_file_that_is_a_trap(daemon, name, pod, shell, trap):
    """Links lead nowhere but into the volume; a pipe keeps nobody waiting."""
    work = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    path = "d/passwd" if trap.endswith("/d") else "vars"
    container = {"env": env(A={"fileKeyRef": {"volumeName": "work", "path": path, "key": "A"}})}
    init = shell("init", trap.replace("mkfifo /work/vars", "mknod /work/vars p"), **work)
    daemon.apply(pod(container=container, initContainers=[init], volumes=[{"name": "work", "emptyDir": {}}]))
    waiting = daemon.state(name, "app", "waiting", "CreateContainerConfigError")["state"]["waiting"]
    assert "root" not in waiting["message"]


@pytest.mark.parametrize(
    ("source", "missing", "then", "lacking"),
    [
        (key("configMap", "late", "k"), 'configmap "late" not found', config_map, "ConfigMap default/late"),
        (key("secret", "late", "k"), 'secret "late" not found', secret, "Secret default/late"),
    ],
    ids=["configMapKeyRef", "secretKeyRef"],
)
def test_a_container_waits_for_what_is_missing(daemon, name, pod, source, missing, then, lacking):
    daemon.apply(pod("sleep", "1000", container={"env": env(A=source)}))
    waiting = daemon.state(name, "app", "waiting", "CreateContainerConfigError")["state"]["waiting"]
    assert waiting["message"] == missing
    assert daemon.row(name)[2] == "CreateContainerConfigError"
    daemon.told(name, "Failed", f"Error: {missing}")
    daemon.apply(then("late", other="x"))
    daemon.told(name, "Failed", f"Error: couldn't find key k in {lacking}")
    daemon.apply(then("late", k="value"))
    daemon.running(name)
    assert variables(daemon, name)["A"] == "value"


def test_a_whole_object_that_is_missing(daemon, name, pod):
    daemon.apply(pod("sleep", "1000", container={"envFrom": [{"secretRef": {"name": "late"}}]}))
    waiting = daemon.state(name, "app", "waiting", "CreateContainerConfigError")["state"]["waiting"]
    assert waiting["message"] == 'secret "late" not found'
    daemon.apply(secret("late", k="value"))
    daemon.running(name)
    assert variables(daemon, name)["k"] == "value"


def test_a_restarted_container_gets_the_present_values(daemon, name, pod):
    daemon.apply(config_map(a="1"))
    made = pod(FOREVER, container={"envFrom": [{"configMapRef": {"name": CONF}}]})
    made["spec"]["restartPolicy"] = "Always"
    daemon.apply(made)
    daemon.running(name)
    daemon.apply(config_map(a="2"))
    assert variables(daemon, name)["a"] == "1"
    daemon.exec(name, "kill", "1")
    daemon.restarted(name, "app", 1)
    assert variables(daemon, name)["a"] == "2"


def test_a_value_that_cannot_be_a_variable_is_not_told(daemon, name, pod):
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CREDS}, "data": {"k": "c2VzYW1lAHg="}}
    daemon.apply(made, pod(container={"env": env(A=key("secret", CREDS, "k"))}))
    waiting = daemon.state(name, "app", "waiting", "CreateContainerConfigError")["state"]["waiting"]
    assert waiting["message"] == f"key k in Secret default/{CREDS} contains a NUL byte, and cannot be a variable"
