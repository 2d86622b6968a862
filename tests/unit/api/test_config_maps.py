"""ConfigMaps through the API."""

import base64

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def b64(data):
    return base64.b64encode(data).decode()


def config_map(name="conf", **fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


async def answer(request):
    async with request as response:
        return response.status, await response.json()


async def create(world, manifest):
    return await answer(world.client.post(MAPS, json=manifest))


async def causes(world, manifest):
    status, error = await create(world, manifest)
    assert status == 422
    return [(cause["field"], cause["message"]) for cause in error["details"]["causes"]]


async def test_kept_as_it_is(world):
    wanted = config_map(data={"a": "1"}, binaryData={"b": b64(b"\xff")})
    status, made = await create(world, wanted)
    assert status == 201
    assert (made["data"], made["binaryData"]) == ({"a": "1"}, {"b": b64(b"\xff")})
    assert (await answer(world.client.get(f"{MAPS}/conf")))[1] == made


async def test_the_table(world):
    await create(world, config_map(data={"a": "1"}, binaryData={"b": b64(b"\xff")}))
    table = (await answer(world.client.get(MAPS, headers=TABLE)))[1]
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["conf", 2]


async def test_keys(world):
    wanted = config_map(data={"a": "1", "b/c": "2", "..d": ""}, binaryData={"a": b64(b"x"), "": b64(b"y")})
    found = await causes(world, wanted)
    assert [field for field, _ in found] == ["data[a]", "data[b/c]", "data[..d]", "binaryData[]"]
    assert found[0][1] == 'Invalid value: "a": duplicate of key present in binaryData'


async def test_one_mebibyte_in_all(world):
    half = "x" * (1 << 19)
    assert (await create(world, config_map(data={"a": half}, binaryData={"b": b64(half.encode())})))[0] == 201
    more = config_map("more", data={"a": half, "c": "ö"}, binaryData={"b": b64(half.encode()[:-1])})
    assert await causes(world, more) == [("[]", "Too long: may not be more than 1048576 bytes")]


async def test_what_is_no_base64(world):
    status, error = await create(world, config_map(binaryData={"a": "???"}))
    assert (status, error["message"]) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: binaryData[a]: illegal base64 data at input byte '
        "0",
    )


async def test_an_immutable_one(world):
    _, made = await create(world, config_map(data={"a": "1"}, immutable=True))
    changed = {**made, "data": {"a": "2"}, "binaryData": {"b": b64(b"x")}, "immutable": False}
    status, error = await answer(world.client.put(f"{MAPS}/conf", json=changed))
    assert status == 422
    frozen = "Forbidden: field is immutable when `immutable` is set"
    assert [(cause["field"], cause["message"]) for cause in error["details"]["causes"]] == [
        ("immutable", frozen),
        ("data", frozen),
        ("binaryData", frozen),
    ]
    labelled = {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}
    assert (await answer(world.client.put(f"{MAPS}/conf", json=labelled)))[0] == 200


async def test_it_goes_with_its_namespace(world):
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}}
    await answer(world.client.post("/api/v1/namespaces", json=body))
    await answer(world.client.post("/api/v1/namespaces/mine/configmaps", json=config_map()))
    await answer(world.client.delete("/api/v1/namespaces/mine"))
    assert (await answer(world.client.get("/api/v1/configmaps")))[1]["items"] == []
