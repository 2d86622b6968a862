"""Secrets through the API, and what pods pull with."""

import base64
import json

from pyrt.kube.secret import Secret

SECRETS = "/api/v1/namespaces/default/secrets"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
CONFIG = json.dumps({"auths": {"registry.example": {"username": "alice", "password": "wonder"}}})


def b64(text):
    return base64.b64encode(text.encode()).decode()


def secret(name="creds", **fields):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **fields}


def docker_secret(name="creds", config=CONFIG):
    return secret(name, type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": b64(config)})


async def answer(request):
    async with request as response:
        return response.status, await response.json()


async def create(world, manifest):
    return await answer(world.client.post(SECRETS, json=manifest))


async def causes(world, manifest):
    status, error = await create(world, manifest)
    assert status == 422
    return [(cause["field"], cause["message"]) for cause in error["details"]["causes"]]


async def test_string_data_becomes_data(world):
    status, made = await create(world, secret(data={"a": b64("1"), "b": b64("2")}, stringData={"b": "two"}))
    assert status == 201
    assert made["data"] == {"a": b64("1"), "b": b64("two")}
    assert made["type"] == "Opaque"
    assert "stringData" not in made
    assert (await answer(world.client.get(f"{SECRETS}/creds")))[1] == made


async def test_the_table_shows_how_many_values_and_none_of_them(world):
    await create(world, secret(stringData={"a": "sesame"}))
    async with world.client.get(SECRETS, headers=TABLE) as response:
        text = await response.text()
    assert "sesame" not in text
    assert b64("sesame") not in text
    table = json.loads(text)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Type", "Data", "Age"]
    assert table["rows"][0]["cells"][:3] == ["creds", "Opaque", 1]


async def test_selected_by_type(world):
    await create(world, secret("plain"))
    await create(world, docker_secret())
    _, found = await answer(world.client.get(f"{SECRETS}?fieldSelector=type=kubernetes.io/dockerconfigjson"))
    assert [item["metadata"]["name"] for item in found["items"]] == ["creds"]


async def test_data_that_is_not_base64(world):
    status, error = await create(world, secret(data={"key": "ab$d"}))
    assert status == 400
    assert error["message"] == (
        'Secret in version "v1" cannot be handled as a Secret: data[key]: illegal base64 data at input byte 2'
    )


async def test_keys_and_size(world):
    found = await causes(world, secret("Bad", stringData={"a/b": "", "..": "", "k": "x" * (1 << 20), "l": "x"}))
    assert [field for field, _ in found] == ["metadata.name", "data[a/b]", "data[..]", "data"]
    assert "a valid config key must consist of alphanumeric characters" in found[1][1]
    assert found[2][1] == "Invalid value: \"..\": must not be '..'"
    assert found[3][1] == "Too long: may not be more than 1048576 bytes"


async def test_registry_credentials_must_be_there_and_json(world):
    for kind, key in (("dockerconfigjson", ".dockerconfigjson"), ("dockercfg", ".dockercfg")):
        full = f"kubernetes.io/{kind}"
        assert await causes(world, secret(type=full)) == [(f"data[{key}]", "Required value")]
        ((field, message),) = await causes(world, secret(type=full, stringData={key: "sesame"}))
        assert field == f"data[{key}]"
        assert message.startswith('Invalid value: "<secret contents redacted>": ')
        assert "sesame" not in message


async def test_update_and_patch(world):
    _, made = await create(world, secret(stringData={"a": "1"}))
    made["stringData"] = {"a": "2"}
    status, changed = await answer(world.client.put(f"{SECRETS}/creds", json=made))
    assert (status, changed["data"]) == (200, {"a": b64("2")})
    merge = {"Content-Type": "application/merge-patch+json"}
    patch = json.dumps({"stringData": {"b": "3"}, "data": {"a": None}})
    status, changed = await answer(world.client.patch(f"{SECRETS}/creds", data=patch, headers=merge))
    assert (status, changed["data"]) == (200, {"b": b64("3")})
    status, error = await answer(world.client.patch(f"{SECRETS}/creds", data='{"type":"other"}', headers=merge))
    assert status == 422
    assert 'type: Invalid value: "other": field is immutable' in error["message"]


async def test_an_immutable_secret(world):
    _, made = await create(world, secret(stringData={"a": "1"}, immutable=True))
    status, error = await answer(world.client.put(f"{SECRETS}/creds", json=made | {"immutable": False, "data": {}}))
    assert status == 422
    assert {cause["field"] for cause in error["details"]["causes"]} == {"immutable", "data"}
    made["metadata"]["labels"] = {"a": "b"}
    assert (await answer(world.client.put(f"{SECRETS}/creds", json=made)))[0] == 200


async def test_a_watch_sees_what_happens(world):
    await create(world, secret())
    await answer(world.client.delete(f"{SECRETS}/creds"))
    async with world.client.get(f"{SECRETS}?watch=1&resourceVersion=1&timeoutSeconds=1") as stream:
        events = [json.loads(line)["type"] async for line in stream.content]
    assert events == ["ADDED", "DELETED"]


async def test_secrets_go_with_their_namespace(world):
    await answer(world.client.post("/api/v1/namespaces", json={"metadata": {"name": "build"}}))
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "build"}}
    await answer(world.client.post("/api/v1/namespaces", json=manifest))
    assert (await answer(world.client.post("/api/v1/namespaces/build/secrets", json=secret())))[0] == 201
    assert (await answer(world.client.delete("/api/v1/namespaces/build")))[0] == 200
    assert world.store.objects.list("Secret", "build")[0] == []


async def test_the_database_is_for_its_owner(world, config):
    modes = {path.name: path.stat().st_mode & 0o777 for path in config.paths.root.glob("pyrt.db*")}
    assert "pyrt.db" in modes
    assert set(modes.values()) == {0o600}


# --- pods -------------------------------------------------------------------------------------------------------------


async def pulled_with(world, pod, *names):
    """The secrets that the image of a new pod was pulled with."""
    seen = []
    image = world.images.get("busybox:1.36")

    async def pull(ref, *, policy, secrets=(), progress=None):
        seen.append(secrets)
        return image

    world.images.pull = pull
    manifest = pod(imagePullSecrets=[{"name": name} for name in names])
    manifest["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    assert (await answer(world.client.post("/api/v1/namespaces/default/pods", json=manifest)))[0] == 201
    await world.eventually(lambda: seen)
    return seen[0]


async def events(world, reason):
    def find():
        stored = (json.loads(item.data) for item in world.store.objects.list("Event", "default")[0])
        return [event["message"] for event in stored if event["reason"] == reason]

    await world.eventually(find)
    return find()


async def test_a_pull_takes_the_secrets_of_the_pod(world, pod):
    old = json.dumps({"old.example": {"auth": b64("bob:builder")}})
    await create(world, docker_secret("first"))
    await create(world, secret("second", type="kubernetes.io/dockercfg", stringData={".dockercfg": old}))
    await create(world, secret("opaque", stringData={".dockerconfigjson": CONFIG}))
    found = await pulled_with(world, pod, "second", "opaque", "", "first")
    assert found == (old.encode(), CONFIG.encode())


async def test_a_secret_that_is_missing_is_told_and_the_pull_goes_on(world, pod):
    await create(world, docker_secret())
    assert await pulled_with(world, pod, "nowhere", "creds", "lost") == (CONFIG.encode(),)
    assert await events(world, "FailedToRetrieveImagePullSecret") == [
        "Unable to retrieve some image pull secrets (nowhere, lost); attempting to pull the image may not succeed."
    ]


def test_a_secret_of_another_namespace_is_none_of_the_pods():
    from pyrt.kube.meta import LocalObjectReference, ObjectMeta
    from pyrt.kube.pod import Pod, PodSpec
    from pyrt.pods.pull_secrets import pull_secrets

    asked = []

    def lookup(namespace, name):
        asked.append((namespace, name))
        return Secret() if namespace == "other" else None

    spec = PodSpec(image_pull_secrets=[LocalObjectReference(name="creds")])
    pod = Pod(metadata=ObjectMeta(name="web", namespace="default"), spec=spec)
    assert pull_secrets(pod, lookup).missing == ("creds",)
    assert asked == [("default", "creds")]
