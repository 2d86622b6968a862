"""ServiceAccounts through the API."""

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


async def answer(request):
    async with request as response:
        return response.status, await response.json()


async def names(world, path="/api/v1/serviceaccounts"):
    items = (await answer(world.client.get(path)))[1]["items"]
    return sorted(f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in items)


async def test_every_namespace_has_one(world):
    assert await names(world) == [
        "default/default",
        "kube-node-lease/default",
        "kube-public/default",
        "kube-system/default",
    ]
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}}
    await answer(world.client.post("/api/v1/namespaces", json=body))
    assert "mine/default" in await names(world)
    await answer(world.client.delete("/api/v1/namespaces/mine"))
    assert "mine/default" not in await names(world)


async def test_kept_as_it_is(world):
    wanted = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "bot"},
        "imagePullSecrets": [{"name": "creds"}],
        "automountServiceAccountToken": False,
    }
    status, made = await answer(world.client.post(ACCOUNTS, json=wanted))
    assert status == 201
    assert {key: made[key] for key in ("imagePullSecrets", "automountServiceAccountToken")} == {
        "imagePullSecrets": [{"name": "creds"}],
        "automountServiceAccountToken": False,
    }
    assert await names(world, ACCOUNTS) == ["default/bot", "default/default"]
