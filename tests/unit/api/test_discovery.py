"""What clients ask before they do anything: discovery and OpenAPI."""

import pytest


async def answer(world, path):
    async with world.client.get(path) as response:
        return response.status, await response.json()


async def test_every_group_lists_something(world):
    # kubectl warns of a group whose list is empty.
    _, groups = await answer(world, "/apis")
    for group in groups["groups"]:
        _, found = await answer(world, f"/apis/{group['preferredVersion']['groupVersion']}")
        assert found["resources"], group["name"]


async def test_kinds_and_verbs(world):
    _, found = await answer(world, "/api/v1")
    served = {entry["name"]: entry for entry in found["resources"]}
    assert {"pods", "pods/log", "pods/exec", "secrets", "namespaces", "nodes", "events"} <= served.keys()
    assert served["secrets"]["verbs"] == sorted(
        ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    )


async def test_openapi_says_that_fields_are_validated_here(world):
    _, index = await answer(world, "/openapi/v3")
    _, document = await answer(world, index["paths"]["api/v1"]["serverRelativeURL"])
    for plural, kind in (("pods", "Pod"), ("secrets", "Secret")):
        patch = document["paths"][f"/api/v1/namespaces/{{namespace}}/{plural}/{{name}}"]["patch"]
        assert patch["x-kubernetes-group-version-kind"] == {"group": "", "version": "v1", "kind": kind}
        assert {"fieldValidation", "dryRun"} <= {parameter["name"] for parameter in patch["parameters"]}


async def test_openapi_schemas_are_the_types(world):
    _, document = await answer(world, "/openapi/v3/api/v1")
    schemas = document["components"]["schemas"]
    pod = schemas["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]
    container = schemas["io.k8s.api.core.v1.Container"]["properties"]
    assert container["command"] == {"type": "array", "items": {"type": "string"}}
    limits = schemas["io.k8s.api.core.v1.ResourceRequirements"]["properties"]["limits"]
    assert limits["additionalProperties"] == {"type": "string", "format": "quantity"}

    def references(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"].removeprefix("#/components/schemas/")
            value = value.values()
        if not isinstance(value, str | int | bool | None):
            for item in value:
                yield from references(item)

    assert set(references(document)) <= schemas.keys()


@pytest.mark.parametrize("path", ["/openapi/v3/apis/apps/v1", "/openapi/v2", "/api/v1/unicorns"])
async def test_what_is_not_served(world, path):
    status, error = await answer(world, path)
    assert (status, error["reason"]) == (404, "NotFound")
