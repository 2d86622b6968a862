"""Watches: order, selectors, versions."""

import asyncio
import json

import pytest

PODS = "/api/v1/namespaces/default/pods"


class Follower:
    def __init__(self, response):
        self._lines = response.content

    async def next(self):
        async with asyncio.timeout(10):
            return json.loads(await self._lines.readline())

    async def until(self, kind, name):
        while True:
            event = await self.next()
            if (event["type"], event["object"]["metadata"].get("name")) == (kind, name):
                return event["object"]


async def create(world, manifest):
    async with world.client.post(PODS, json=manifest) as response:
        assert response.status == 201, await response.text()
        return await response.json()


async def patch_labels(world, name, labels):
    headers = {"Content-Type": "application/merge-patch+json"}
    body = json.dumps({"metadata": {"labels": labels}})
    async with world.client.patch(f"{PODS}/{name}", data=body, headers=headers) as response:
        assert response.status == 200


async def test_what_is_there_and_what_comes(world, pod):
    await create(world, pod("a"))
    async with world.client.get(PODS, params={"watch": "true"}) as response:
        follower = Follower(response)
        first = await follower.next()
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")
        await create(world, pod("b"))
        await follower.until("ADDED", "b")
        async with world.client.delete(f"{PODS}/b", params={"gracePeriodSeconds": "0"}):
            await follower.until("DELETED", "b")


async def test_from_a_version_on(world, pod):
    await create(world, pod("a"))
    async with world.client.get(PODS) as response:
        version = (await response.json())["metadata"]["resourceVersion"]
    await create(world, pod("b"))
    async with world.client.get(PODS, params={"watch": "true", "resourceVersion": version}) as response:
        follower = Follower(response)
        while (event := await follower.next())["object"]["metadata"]["name"] == "a":
            assert event["type"] == "MODIFIED"
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "b")


async def test_leaving_a_selector_is_a_deletion_for_the_client(world, pod):
    await create(world, pod("a", labels={"x": "1"}))
    async with world.client.get(PODS, params={"watch": "true", "labelSelector": "x=1"}) as response:
        follower = Follower(response)
        await follower.until("ADDED", "a")
        await patch_labels(world, "a", {"x": "2"})
        await follower.until("DELETED", "a")
        await patch_labels(world, "a", {"x": "1"})
        await follower.until("ADDED", "a")


async def test_one_object_only(world, pod):
    await create(world, pod("a"))
    await create(world, pod("b"))
    async with world.client.get(f"{PODS}/b", params={"watch": "true"}) as response:
        assert (await Follower(response).next())["object"]["metadata"]["name"] == "b"


async def test_the_time_is_up(world, pod):
    async with asyncio.timeout(10), world.client.get(PODS, params={"watch": "true", "timeoutSeconds": "1"}) as response:
        assert await response.read() == b""


async def test_a_version_that_is_too_old(world, pod):
    world.store.history._limit = 2
    for number in range(5):
        await create(world, pod(f"p{number}"))
    async with world.client.get(PODS, params={"watch": "true", "resourceVersion": "1"}) as response:
        event = await Follower(response).next()
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_a_version_that_is_still_to_come(world):
    async with world.client.get(PODS, params={"watch": "true", "resourceVersion": "99999"}) as response:
        assert response.status == 504
        error = await response.json()
        assert error["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_initial_events_end_with_a_bookmark(world, pod):
    await create(world, pod("a"))
    params = {
        "watch": "true",
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    async with world.client.get(PODS, params=params) as response:
        follower = Follower(response)
        await follower.until("ADDED", "a")
        event = await follower.next()
        assert event["type"] == "BOOKMARK"
        assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.parametrize(
    "params", [{"resourceVersion": "abc"}, {"sendInitialEvents": "true"}, {"timeoutSeconds": "-1"}]
)
async def test_bad_options(world, params):
    async with world.client.get(PODS, params={"watch": "true", **params}) as response:
        assert response.status == 400


async def test_tables_are_watched_too(world, pod):
    await create(world, pod("a"))
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    async with world.client.get(PODS, params={"watch": "true"}, headers=headers) as response:
        first = json.loads(await response.content.readline())
        assert first["object"]["kind"] == "Table"
        assert first["object"]["columnDefinitions"]
        assert first["object"]["rows"][0]["cells"][0] == "a"


async def test_a_client_that_leaves_is_forgotten(world):
    async with world.client.get(
        PODS, params={"watch": "true", "resourceVersion": str(world.store.resource_version)}
    ) as response:
        assert world.store.history._watches["Pod"]
        response.close()
    await world.eventually(lambda: not world.store.history._watches["Pod"])


async def test_watches_end_when_the_daemon_stops(world):
    async with asyncio.timeout(10), world.client.get(PODS, params={"watch": "true"}) as response:
        world.api.stop()
        assert await response.read() == b""
    async with world.client.post(PODS, json={}) as response:
        assert response.status == 503
    async with world.client.get("/readyz") as response:
        assert response.status == 503
