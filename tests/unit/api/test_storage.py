"""Volumes, claims and storage classes over the API, with the storage controller behind it."""

import json
import os

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


async def answer(request):
    async with request as response:
        return response.status, await response.json()


def claim(name="data", size="1Gi", **spec):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}} | spec,
    }


def volume(name="disk", **spec):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}} | spec,
    }


def phase(world, kind, name, namespace=""):
    item = world.store.objects.find(kind, namespace, name)
    return None if item is None else json.loads(item.data)["status"].get("phase")


def bound(world, name="data"):
    return lambda: phase(world, "PersistentVolumeClaim", name, "default") == "Bound"


async def test_a_claim_gets_a_directory_of_the_default_class(world, config):
    status, made = await answer(world.client.post(CLAIMS, json=claim()))
    assert (status, made["spec"]["storageClassName"], made["status"]["phase"]) == (201, "standard", "Pending")
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    await world.eventually(bound(world))
    _, found = await answer(world.client.get(f"{CLAIMS}/data"))
    name = f"pvc-{made['metadata']['uid']}"
    assert (found["spec"]["volumeName"], found["status"]["capacity"]) == (name, {"storage": "1Gi"})
    assert os.listdir(config.paths.root / "volumes") == [name]
    headers = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    _, table = await answer(world.client.get(CLAIMS, headers=headers))
    assert [column["name"] for column in table["columnDefinitions"]][:6] == [
        "Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass",
    ]  # fmt: skip
    assert table["rows"][0]["cells"][:6] == ["data", "Bound", name, "1Gi", "RWO", "standard"]
    _, table = await answer(world.client.get(VOLUMES, headers=headers))
    assert table["rows"][0]["cells"][:7] == [name, "1Gi", "RWO", "Delete", "Bound", "default/data", "standard"]
    _, table = await answer(world.client.get(CLASSES, headers=headers))
    assert table["rows"][0]["cells"][:5] == ["standard (default)", "pyrt.dev/local", "Delete", "Immediate", True]
    await world.client.delete(f"{CLAIMS}/data")
    await world.eventually(lambda: not world.store.objects.list("PersistentVolume")[0])
    await world.eventually(lambda: os.listdir(config.paths.root / "volumes") == [".trash"])


async def test_refusals_in_the_servers_words(world):
    for body, words in (
        (claim(accessModes=[]), "spec.accessModes: Required value: at least 1 access mode is required"),
        (claim(size="0"), "spec.resources[storage]: Invalid value"),
        (claim(accessModes=["ReadWriteOncePod", "ReadOnlyMany"]), "may not use ReadWriteOncePod with other"),
        (claim(volumeMode="Block"), "spec.volumeMode: Forbidden: block volumes are not supported"),
    ):
        status, error = await answer(world.client.post(CLAIMS, json=body))
        assert status == 422, body
        assert words in error["message"]
    for body, words in (
        (volume(hostPath=None), "spec: Required value: must specify a volume type"),
        (volume(hostPath=None, nfs={"server": "a", "path": "/"}), "spec.nfs: Forbidden: only hostPath and local"),
        (volume(hostPath=None, csi={"driver": "d"}), "spec.csi: Forbidden: only hostPath and local"),
        (volume(hostPath=None, local={"path": "/x"}), "Local volume requires node affinity"),
        (volume(capacity={}), "spec.capacity: Required value"),
    ):
        status, error = await answer(world.client.post(VOLUMES, json=body))
        assert status == 422, body
        assert words in error["message"]


async def test_what_may_change_of_a_claim(world):
    await world.client.post(CLAIMS, json=claim())
    await world.eventually(bound(world))
    patch = {"Content-Type": "application/merge-patch+json"}
    for change, words in (
        ({"accessModes": ["ReadWriteMany"]}, "spec: Forbidden: spec is immutable after creation except"),
        ({"resources": {"requests": {"storage": "512Mi"}}}, "field can not be less than status.capacity"),
    ):
        status, error = await answer(world.client.patch(f"{CLAIMS}/data", json={"spec": change}, headers=patch))
        assert status == 422
        assert words in error["message"]
    change = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    status, _ = await answer(world.client.patch(f"{CLAIMS}/data", json=change, headers=patch))
    assert status == 200

    def grown():
        item = world.store.objects.find("PersistentVolumeClaim", "default", "data")
        return b'"capacity":{"storage":"3Gi"}' in item.data

    await world.eventually(grown)


async def test_a_class_that_does_not_let_grow(world):
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "fixed"},
        "provisioner": "pyrt.dev/local",
    }
    status, made = await answer(world.client.post(CLASSES, json=body))
    assert (status, made["reclaimPolicy"], made["volumeBindingMode"]) == (201, "Delete", "Immediate")
    await world.client.post(CLAIMS, json=claim(storageClassName="fixed"))
    await world.eventually(bound(world))
    change = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    status, error = await answer(world.client.patch(f"{CLAIMS}/data", json=change, headers=headers))
    assert status == 403
    assert "only dynamically provisioned pvc can be resized" in error["message"]
    status, error = await answer(world.client.put(f"{CLASSES}/fixed", json=body | {"reclaimPolicy": "Retain"}))
    assert status == 422
    assert error["message"].startswith('StorageClass.storage.k8s.io "fixed" is invalid: reclaimPolicy: Forbidden')


async def test_a_volume_of_the_users(world):
    await world.client.post(VOLUMES, json=volume(storageClassName="mine"))
    await world.client.post(CLAIMS, json=claim(storageClassName="mine"))
    await world.eventually(bound(world))
    patch = {"Content-Type": "application/merge-patch+json"}
    change = {"spec": {"hostPath": {"path": "/etc"}}}
    status, error = await answer(world.client.patch(f"{VOLUMES}/disk", json=change, headers=patch))
    assert status == 422
    assert "spec.persistentvolumesource is immutable after creation" in error["message"]


async def test_a_claim_in_use_is_protected(world, pod):
    await world.client.post(CLAIMS, json=claim())
    await world.eventually(bound(world))
    manifest = pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])
    await world.client.post("/api/v1/namespaces/default/pods", json=manifest)
    status, going = await answer(world.client.delete(f"{CLAIMS}/data"))
    assert (status, "deletionTimestamp" in going["metadata"]) == (200, True)
    assert phase(world, "PersistentVolumeClaim", "data", "default") == "Bound"
    await world.client.delete("/api/v1/namespaces/default/pods/web?gracePeriodSeconds=0")
    await world.eventually(lambda: phase(world, "PersistentVolumeClaim", "data", "default") is None)


async def test_claims_go_with_their_namespace(world):
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    await world.client.post("/api/v1/namespaces", json=body)
    await world.client.post("/api/v1/namespaces/team/persistentvolumeclaims", json=claim())
    await world.client.delete("/api/v1/namespaces/team")
    await world.eventually(lambda: world.store.objects.find("Namespace", "", "team") is None)
    await world.eventually(lambda: not world.store.objects.list("PersistentVolume")[0])
