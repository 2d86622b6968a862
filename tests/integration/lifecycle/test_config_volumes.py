"""Volumes made from objects of the API: what a container sees of ConfigMaps, Secrets and of its own pod, and when."""

from __future__ import annotations

import json
import os
from base64 import b64encode

import pytest

from .conftest import FOREVER

CONF = "conf"
CREDS = "creds"


def config_map(name=CONF, **fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


def secret(name=CREDS, **values):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def mounts(**paths):
    """``volumeMounts`` of a container: volume name to path, or to a whole mount."""
    found = [path if isinstance(path, dict) else {"mountPath": path} for path in paths.values()]
    return {"volumeMounts": [{"name": name} | mount for name, mount in zip(paths, found, strict=True)]}


@pytest.fixture(autouse=True)
def _without_objects(daemon):
    yield
    daemon.pyrt("delete", "configmap,secret", "--all")


def read(daemon, name, path):
    """What the container reads there, ``None`` if it cannot."""
    code, out, _ = daemon.exec(name, "cat", path)
    return out if code == 0 else None


@pytest.mark.core
def test_objects_and_their_pod_come_in_one_file(daemon, name, pod):
    volumes = [{"name": "conf", "configMap": {"name": CONF}}, {"name": "creds", "secret": {"secretName": CREDS}}]
    script = "cat /etc/conf/color /etc/creds/password; " + FOREVER
    manifests = [
        pod(script, container=mounts(conf="/etc/conf", creds="/etc/creds"), volumes=volumes),
        config_map(data={"color": "red\n"}),
        secret(password="sesame\n"),
    ]
    said = daemon.apply(*manifests).out
    assert said == f"pod/{name} created\nconfigmap/conf created\nsecret/creds created\n"
    daemon.running(name)
    daemon.until(lambda: daemon.logs(name) == "red\nsesame\n")
    daemon.pyrt("delete", "-f", "-", stdin="\n---\n".join(map(json.dumps, manifests)))
    assert daemon.pyrt("get", "pod,cm,secret").err == "No resources found in default namespace.\n"


def test_secrets_lie_in_memory(daemon, name, pod):
    volumes = [{"name": "creds", "secret": {"secretName": CREDS}}, {"name": "conf", "configMap": {"name": CONF}}]
    daemon.apply(secret(password="sesame"), config_map(data={"run.sh": "#!/bin/sh\necho ran\n"}))
    volumes[1]["configMap"]["defaultMode"] = 0o755
    daemon.apply(pod(container=mounts(creds="/etc/creds", conf="/etc/conf"), volumes=volumes))
    daemon.running(name)
    for path in ("/etc/creds", "/etc/conf"):
        assert daemon.exec(name, "stat", "-f", "-c", "%T", path)[1] == "tmpfs\n"
    assert daemon.exec(name, "/etc/conf/run.sh")[1] == "ran\n"  # not on a noexec mount, whatever /run is
    top = daemon.config.paths.run / "volumes"
    assert top.is_mount()
    assert top.stat().st_mode & 0o7777 == 0o700
    daemon.delete(name, 0)
    daemon.until(lambda: not daemon.leftovers())
    assert not top.exists()


def test_modes_and_items(daemon, name, pod):
    source = {"name": CONF, "defaultMode": 0o440}
    source["items"] = [{"key": "a", "path": "deep/er/a"}, {"key": "raw", "path": "raw", "mode": 0o600}]
    daemon.apply(config_map(data={"a": "1", "b": "2"}, binaryData={"raw": b64encode(b"\xff\x00\n").decode()}))
    daemon.apply(pod(container=mounts(conf="/etc/conf"), volumes=[{"name": "conf", "configMap": source}]))
    daemon.running(name)
    listed = daemon.exec(name, "sh", "-c", "cd /etc/conf; ls; stat -Lc '%a %u %s' deep deep/er/a raw; readlink raw")[1]
    assert listed.splitlines() == ["deep", "raw", "755 0 60", "440 0 1", "600 0 3", "..data/raw"]


def test_the_group_of_the_pod_may_read(daemon, name, pod):
    volumes = [{"name": "creds", "secret": {"secretName": CREDS, "defaultMode": 0o400}}]
    container = mounts(creds="/etc/creds") | {"securityContext": {"runAsUser": 1000}}
    daemon.apply(secret(password="sesame"))
    daemon.apply(pod(container=container, volumes=volumes, securityContext={"fsGroup": 2000}))
    daemon.running(name)
    assert read(daemon, name, "/etc/creds/password") == "sesame"
    daemon.apply(secret(password="open"))
    daemon.until(lambda: read(daemon, name, "/etc/creds/password") == "open")
    assert daemon.exec(name, "stat", "-Lc", "%a %u %g", "/etc/creds/password")[1] == "440 0 2000\n"


@pytest.mark.core
def test_a_change_is_seen_by_running_containers(daemon, name, pod, shell):
    volumes = [
        {"name": "conf", "configMap": {"name": CONF}},
        {"name": "creds", "projected": {"sources": [{"secret": {"name": CREDS}}, {"configMap": {"name": CONF}}]}},
    ]
    paths = mounts(conf="/etc/conf", creds="/etc/creds")
    paths["volumeMounts"].append({"name": "conf", "mountPath": "/etc/color", "subPath": "color"})
    daemon.apply(config_map(data={"color": "red", "old": "1"}), secret(password="sesame"))
    daemon.apply(pod(container=paths, volumes=volumes))
    daemon.running(name)
    daemon.apply(config_map(data={"color": "blue", "new": "2"}), secret(password="open"))
    daemon.until(lambda: read(daemon, name, "/etc/conf/color") == "blue")
    daemon.until(lambda: read(daemon, name, "/etc/creds/password") == "open")
    assert daemon.exec(name, "ls", "/etc/conf", "/etc/creds")[1].split() == [
        *("/etc/conf:", "color", "new"),
        *("/etc/creds:", "color", "new", "password"),
    ]
    assert read(daemon, name, "/etc/color") == "red", "a subPath mount stays what it was"
    assert len(os.listdir(daemon.config.paths.run / "volumes" / daemon.get(name)["metadata"]["uid"] / "conf")) == 4


def test_labels_and_annotations_are_followed(daemon, name, pod):
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "note", "fieldRef": {"fieldPath": "metadata.annotations['note']"}},
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "app", "resource": "limits.cpu", "divisor": "1m"}},
        {"path": "memory", "resourceFieldRef": {"containerName": "app", "resource": "requests.memory"}},
    ]
    made = pod(
        container=mounts(info="/etc/info")
        | {"resources": {"limits": {"cpu": "250m"}, "requests": {"memory": "1Mi", "cpu": "10m"}}},
        volumes=[{"name": "info", "downwardAPI": {"items": items}}],
    )
    made["metadata"] |= {"labels": {"b": "2", "a": 'x"y'[:1]}, "annotations": {"note": 'said "hi"\n'}}
    daemon.apply(made)
    daemon.running(name)
    read_all = daemon.exec(name, "sh", "-c", "cd /etc/info; for f in *; do echo $f: $(cat $f); done")[1]
    assert read_all.splitlines() == [
        "cpu: 250",
        'labels: a="x" b="2"',
        "memory: 1048576",
        f"name: {name}",
        'note: said "hi"',
    ]
    daemon.pyrt(
        "patch", "pod", name, "-p", '{"metadata": {"labels": {"b": null, "c": "3"}, "annotations": {"note": "x"}}}'
    )
    daemon.until(lambda: read(daemon, name, "/etc/info/labels") == 'a="x"\nc="3"')
    daemon.until(lambda: read(daemon, name, "/etc/info/note") == "x")


def test_a_pod_waits_for_what_is_missing_and_starts_when_it_comes(daemon, name, pod):
    volumes = [{"name": "conf", "configMap": {"name": "late", "items": [{"key": "a", "path": "a"}]}}]
    daemon.apply(pod(container=mounts(conf="/etc/conf"), volumes=volumes))
    told = daemon.told(name, "FailedMount")
    assert (told["type"], told["message"]) == (
        "Warning",
        'MountVolume.SetUp failed for volume "conf" : configmap "late" not found',
    )
    assert daemon.state(name, "app", "waiting")["state"]["waiting"]["reason"] == "ContainerCreating"
    daemon.apply(config_map("late", data={"b": "1"}))
    daemon.told(name, "FailedMount", "configmap references non-existent config key: a")
    daemon.apply(config_map("late", data={"a": "1"}))
    daemon.running(name)
    assert read(daemon, name, "/etc/conf/a") == "1"


def test_a_container_waits_for_the_part_that_it_mounts(daemon, name, pod):
    daemon.apply(config_map(data={"a": "1"}))
    container = mounts(conf={"mountPath": "/etc/b", "subPath": "b"})
    daemon.apply(pod(container=container, volumes=[{"name": "conf", "configMap": {"name": CONF}}]))
    waiting = daemon.state(name, "app", "waiting", "CreateContainerConfigError")["state"]["waiting"]
    assert waiting["message"] == (
        'failed to prepare subPath for volumeMount "conf" of container "app": b: No such file or directory'
    )
    daemon.apply(config_map(data={"b": "2"}))
    daemon.running(name)
    assert read(daemon, name, "/etc/b") == "2"


def test_a_part_of_an_optional_object_is_an_empty_directory(daemon, name, pod):
    container = mounts(conf={"mountPath": "/etc/b", "subPath": "b"})
    source = {"name": CONF, "optional": True}
    daemon.apply(pod(container=container, volumes=[{"name": "conf", "configMap": source}]))
    daemon.running(name)
    assert daemon.exec(name, "ls", "-A", "/etc/b") == (0, "", "")


def test_an_optional_object_may_come_later(daemon, name, pod):
    sources = [
        {"configMap": {"name": "late", "optional": True}},
        {"secret": {"name": "never", "optional": True, "items": [{"key": "a", "path": "never"}]}},
        {"downwardAPI": {"items": [{"path": "who", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    daemon.apply(pod(container=mounts(all="/etc/all"), volumes=[{"name": "all", "projected": {"sources": sources}}]))
    daemon.running(name)
    assert daemon.exec(name, "ls", "/etc/all")[1].split() == ["who"]
    daemon.apply(config_map("late", data={"a": "1"}))
    daemon.until(lambda: read(daemon, name, "/etc/all/a") == "1")


def test_files_stay_when_their_object_goes(daemon, name, pod):
    daemon.apply(config_map(data={"a": "1"}))
    daemon.apply(pod(container=mounts(conf="/etc/conf"), volumes=[{"name": "conf", "configMap": {"name": CONF}}]))
    daemon.running(name)
    daemon.pyrt("delete", "cm", CONF)
    daemon.told(name, "FailedMount", 'configmap "conf" not found')
    assert read(daemon, name, "/etc/conf/a") == "1"
    daemon.apply(config_map(data={"a": "2"}))
    daemon.until(lambda: read(daemon, name, "/etc/conf/a") == "2")


def test_of_two_files_with_one_path_the_later_source_wins(daemon, name, pod):
    daemon.apply(config_map(data={"a": "map", "b": "map"}), secret(a="secret"))
    sources = [{"configMap": {"name": CONF}}, {"secret": {"name": CREDS}}]
    daemon.apply(pod(container=mounts(all="/etc/all"), volumes=[{"name": "all", "projected": {"sources": sources}}]))
    daemon.running(name)
    assert (read(daemon, name, "/etc/all/a"), read(daemon, name, "/etc/all/b")) == ("secret", "map")


def test_paths_that_are_said_twice_are_refused(daemon, name, pod):
    items = [{"key": "a", "path": "same"}]
    sources = [{"configMap": {"name": CONF, "items": items}}, {"secret": {"name": CREDS, "items": items}}]
    said = daemon.apply(pod(volumes=[{"name": "all", "projected": {"sources": sources}}]), check=False)
    assert 'spec.volumes[0].projected: Invalid value: "creds": conflicting duplicate paths' in said.err


def test_a_volume_outlives_a_restart_of_its_container(daemon, name, pod):
    daemon.apply(config_map(data={"a": "1"}))
    made = pod(container=mounts(conf="/etc/conf"), volumes=[{"name": "conf", "configMap": {"name": CONF}}])
    made["spec"]["restartPolicy"] = "Always"
    daemon.apply(made)
    daemon.running(name)
    before = daemon.exec(name, "readlink", "/etc/conf/..data")[1]
    daemon.exec(name, "kill", "1")
    daemon.restarted(name, "app", 1)
    assert daemon.exec(name, "readlink", "/etc/conf/..data")[1] == before


@pytest.mark.parametrize("privileged", [False, True])
def test_a_container_cannot_write(daemon, name, pod, privileged):
    daemon.apply(config_map(data={"a": "1"}))
    container = mounts(conf="/etc/conf") | {"securityContext": {"privileged": privileged}}
    daemon.apply(pod(container=container, volumes=[{"name": "conf", "configMap": {"name": CONF}}]))
    daemon.running(name)
    for attack in ("echo x > /etc/conf/a", "echo x > /etc/conf/b", "rm /etc/conf/..data", "chmod 777 /etc/conf/a"):
        code, _, words = daemon.exec(name, "sh", "-c", attack)
        assert (code != 0, "Read-only file system" in words) == (True, True), attack
    if not privileged:
        code, _, words = daemon.exec(name, "mount", "-o", "remount,rw,bind", "/etc/conf")
        assert (code != 0, "ermi" in words) == (True, True)


def test_a_privileged_container_spoils_only_its_own_view(daemon, name, pod):
    """It remounts the volume, and leaves a link where the next version will be written."""
    daemon.apply(config_map(data={"a": "1", "d": "1"}))
    items = [{"key": "a", "path": "a"}, {"key": "d", "path": "dir/d"}]
    volumes = [
        {"name": "conf", "configMap": {"name": CONF, "items": items}},
        {"name": "out", "emptyDir": {}},
    ]
    container = mounts(conf="/etc/conf", out="/out") | {"securityContext": {"privileged": True}}
    daemon.apply(pod(container=container, volumes=volumes))
    daemon.running(name)
    victim = daemon.config.paths.root.parent / "victim"
    victim.mkdir()
    attack = (
        "mount -o remount,rw,bind /etc/conf && cd /etc/conf && v=$(readlink ..data) && rm -r $v/dir a dir ..data && "
        f"ln -s {victim} $v/dir && ln -s {victim} ..data && ln -s {victim} dir && ln -s {victim} ..data_tmp"
    )
    assert daemon.exec(name, "sh", "-c", attack)[0] == 0
    daemon.apply(config_map(data={"a": "2", "d": "2"}))
    daemon.until(lambda: read(daemon, name, "/etc/conf/dir/d") == "2")
    assert os.listdir(victim) == []
    victim.rmdir()


def test_what_is_mounted_inside_has_its_place(daemon, name, pod):
    volumes = [{"name": "conf", "configMap": {"name": CONF}}, {"name": "cache", "emptyDir": {}}]
    daemon.apply(config_map(data={"a": "1"}))
    container = mounts(conf="/etc/conf", cache="/etc/conf/cache/deep")
    daemon.apply(pod("echo 1 >/etc/conf/cache/deep/x; " + FOREVER, container=container, volumes=volumes))
    daemon.running(name)
    daemon.until(lambda: read(daemon, name, "/etc/conf/cache/deep/x") == "1\n")
    daemon.apply(config_map(data={"a": "2"}))
    daemon.until(lambda: read(daemon, name, "/etc/conf/a") == "2")
    assert read(daemon, name, "/etc/conf/cache/deep/x") == "1\n"


def test_another_daemon_goes_on_with_the_updates(own_daemon, name, pod):
    volumes = [{"name": "conf", "configMap": {"name": CONF}}]
    own_daemon.apply(config_map(data={"a": "1"}), pod(container=mounts(conf="/etc/conf"), volumes=volumes))
    own_daemon.running(name)
    before = own_daemon.exec(name, "readlink", "/etc/conf/..data")[1]
    own_daemon.kill()
    own_daemon.start()
    own_daemon.running(name)
    own_daemon.apply(config_map(data={"a": "2"}))
    own_daemon.until(lambda: read(own_daemon, name, "/etc/conf/a") == "2")
    assert own_daemon.exec(name, "readlink", "/etc/conf/..data")[1] != before


def test_a_change_while_no_daemon_looks_is_not_lost_and_sameness_is_kept(own_daemon, name, pod):
    """A daemon that starts finds files as they should be, and does not touch them."""
    volumes = [{"name": "conf", "configMap": {"name": CONF}}]
    own_daemon.apply(config_map(data={"a": "1"}), pod(container=mounts(conf="/etc/conf"), volumes=volumes))
    own_daemon.running(name)
    before = own_daemon.exec(name, "readlink", "/etc/conf/..data")[1]
    own_daemon.pyrt("delete", "cm", CONF)
    own_daemon.told(name, "FailedMount")
    own_daemon.stop()
    own_daemon.start()
    own_daemon.running(name)
    assert own_daemon.exec(name, "readlink", "/etc/conf/..data")[1] == before
    assert read(own_daemon, name, "/etc/conf/a") == "1"


def test_a_large_object_comes_and_goes_with_its_pod(daemon, name, pod):
    """It is written by a thread; the pod is deleted while that may be under way."""
    keys = {f"key{number}": "" for number in range(3000)}
    volumes = [{"name": "conf", "configMap": {"name": CONF}}]
    daemon.apply(config_map(data=keys))
    daemon.apply(pod(container=mounts(conf="/etc/conf"), volumes=volumes))
    daemon.running(name)
    assert daemon.exec(name, "sh", "-c", "ls /etc/conf | wc -l")[1].strip() == "3000"
    path = f"/api/v1/namespaces/default/configmaps/{CONF}"
    patch = {"data": {"one": "more"}}
    daemon.call("PATCH", path, patch, {"Content-Type": "application/merge-patch+json"})
    daemon.delete(name, 0)
    daemon.until(lambda: not daemon.leftovers())


def test_secrets_are_said_nowhere(own_daemon, name, pod):
    """Not in events, statuses, the daemon's log, or on the disk outside of the store."""
    word = "xyzzy-plugh-42"
    variables = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": CREDS, "key": "p"}}}]
    volumes = [{"name": "creds", "secret": {"secretName": CREDS}}]
    container = mounts(creds="/etc/creds") | {"env": variables}
    own_daemon.apply(pod(container=container, volumes=volumes))
    own_daemon.told(name, "FailedMount")
    own_daemon.apply(secret(p=word))
    own_daemon.running(name)
    told = own_daemon.pyrt("describe", "pod", name).out + own_daemon.pyrt("describe", "secret", CREDS).out
    told += own_daemon.pyrt("get", "events,pods", "-o", "json").out + own_daemon.log.read_text()
    assert word not in told
    assert b64encode(word.encode()).decode() not in told
