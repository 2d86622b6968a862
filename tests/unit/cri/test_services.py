"""The tables of the two services, and what callers are told of failures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc import StatusCode

from pyrt.config import for_instance
from pyrt.cri import runtime_pb2
from pyrt.cri.errors import CriError, code_of, invalid, not_found
from pyrt.cri.services import generic_handlers
from pyrt.cri.status import Identity
from pyrt.errors import PyrtError
from pyrt.images.errors import NotFoundError
from pyrt.network.cni import CniNetwork
from pyrt.runtime.errors import ContainerNotFoundError, ExecTimeoutError, SandboxNotFoundError
from pyrt.store import Store


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SandboxNotFoundError(subject="sandbox x"), StatusCode.NOT_FOUND),
        (ContainerNotFoundError(subject="container x"), StatusCode.NOT_FOUND),
        (NotFoundError(subject="image x"), StatusCode.NOT_FOUND),
        (ExecTimeoutError(subject="container x"), StatusCode.DEADLINE_EXCEEDED),
        (not_found("image x"), StatusCode.NOT_FOUND),
        (invalid("config.metadata", "Required value"), StatusCode.INVALID_ARGUMENT),
        (CriError("no"), StatusCode.UNKNOWN),
        (PyrtError("anything else"), StatusCode.UNKNOWN),
    ],
)
def test_codes(error: PyrtError, code: StatusCode) -> None:
    assert code_of(error) is code


@pytest.fixture
def identity(tmp_path: Path) -> Iterator[Identity]:
    config = for_instance(tmp_path, "services")
    with Store(config.paths.root) as store:
        yield Identity(config, CniNetwork(config, store))


def test_a_handler_for_a_method_that_the_schema_does_not_have(identity: Identity) -> None:
    with pytest.raises(KeyError, match="Versoin"):
        generic_handlers({"Versoin": identity.version})


async def test_version(identity: Identity) -> None:
    answer = await identity.version(runtime_pb2.VersionRequest(version="0.1.0"))
    assert (answer.runtime_name, answer.runtime_api_version) == ("pyrt", "v1")


def test_both_services_are_in_the_schema() -> None:
    services = runtime_pb2.DESCRIPTOR.services_by_name
    assert sorted(services) == ["ImageService", "RuntimeService"]
    assert sum(len(service.methods) for service in services.values()) == 43
