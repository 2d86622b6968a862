"""A kubelet's side of the CRI door: a daemon of its own, and a gRPC client on the messages of the contract."""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
from pathlib import Path

import grpc
import msgspec
import pytest
from google.protobuf.message_factory import GetMessageClass

from pyrt.config import dump_config, for_instance
from pyrt.cri import runtime_pb2 as cri
from pyrt.network import Network
from pyrt.store import Store
from tests.integration.daemon.conftest import (
    IMAGE,
    PATIENCE,
    PODS,
    Daemon,
    cgroups,
    layout,  # noqa: F401 - a fixture
    make_pod,
)

__all__ = ["FOREVER", "IMAGE", "PATIENCE", "PODS", "Client", "Node", "Pod", "make_pod"]

FOREVER = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
"""A command that runs until it is asked to end, and then ends well."""

_METHODS = {
    method.name: (service, method) for service in cri.DESCRIPTOR.services_by_name.values() for method in service.methods
}


class Client:
    """Every method of the contract, by its name: ``client.ListContainers(filter=...)``; streams are iterators."""

    def __init__(self, socket):
        self.socket = socket
        self.channel = grpc.insecure_channel(f"unix:{socket}")

    def __getattr__(self, name):
        service, method = _METHODS[name]
        make = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call = make(
            f"/{service.full_name}/{name}",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )

        def send(*, deadline=PATIENCE, **fields):
            return call(GetMessageClass(method.input_type)(**fields), timeout=deadline)

        return send

    def refused(self, name, **fields):
        """The status code and message of a call that must fail."""
        with pytest.raises(grpc.RpcError) as caught:
            getattr(self, name)(**fields)
        return caught.value.code(), caught.value.details()


class Pod:
    """A sandbox of the test's own, with its containers."""

    def __init__(self, node, name, config):
        self.node, self.name, self.config = node, name, config
        self.id = node.client.RunPodSandbox(config=config).pod_sandbox_id

    @property
    def client(self):
        return self.node.client

    def create(self, name="app", *command, attempt=0, **fields):
        """A container that runs until it is stopped, unless the test says something else; its id."""
        fields.setdefault("image", cri.ImageSpec(image=IMAGE))
        fields.setdefault("log_path", f"{name}/{attempt}.log")
        config = cri.ContainerConfig(
            metadata=cri.ContainerMetadata(name=name, attempt=attempt), command=command or FOREVER, **fields
        )
        answer = self.client.CreateContainer(pod_sandbox_id=self.id, config=config, sandbox_config=self.config)
        return answer.container_id

    def start(self, name="app", *command, **fields):
        """A container that runs; its id."""
        container = self.create(name, *command, **fields)
        self.client.StartContainer(container_id=container)
        return container

    def status(self):
        return self.client.PodSandboxStatus(pod_sandbox_id=self.id).status

    def container(self, container):
        return self.client.ContainerStatus(container_id=container).status

    def exited(self, container):
        """Wait for its end; its status."""

        def look():
            status = self.container(container)
            return status if status.state == cri.CONTAINER_EXITED else None

        return self.node.until(look)

    def log(self, container):
        """What it wrote, without times and tags."""
        lines = Path(self.container(container).log_path).read_text().splitlines()
        return "".join(line.split(" ", 3)[3] + "\n" for line in lines)

    def process(self):
        """The pid of the pod process."""
        return self.inside()["pid"]

    def inside(self):
        info = self.client.PodSandboxStatus(pod_sandbox_id=self.id, verbose=True).info
        return msgspec.json.decode(info["info"])


class Node(Daemon):
    """A daemon with its CRI door open."""

    def __init__(self, directory, config):
        super().__init__(directory, config)
        self.client = Client(config.cri_socket)
        self._names = itertools.count()
        self.pods = []
        """All that the test made, in their order."""

    def start(self, **environment):
        super().start(**environment)
        self.client.channel.close()
        self.client = Client(self.config.cri_socket)
        return self

    def configure(self, config):
        """Another configuration, for the next start."""
        self.config = config
        self.file.write_text(dump_config(config))

    def config_of(self, name="", attempt=0, **fields):
        """What a kubelet would ask for."""
        name = name or f"pod-{next(self._names)}"
        fields.setdefault("hostname", name)
        fields.setdefault("log_directory", str(self.config.paths.logs / f"cri_{name}"))
        metadata = cri.PodSandboxMetadata(name=name, namespace="default", uid=f"uid-{name}", attempt=attempt)
        return cri.PodSandboxConfig(metadata=metadata, **fields)

    def pod(self, name="", **fields):
        config = self.config_of(name, **fields)
        pod = Pod(self, config.metadata.name, config)
        self.pods.append(pod)
        return pod

    def clear(self):
        """Remove every sandbox of the kubelet's, and every pod of the operator's."""
        for item in self.client.ListPodSandbox().items:
            self.client.RemovePodSandbox(pod_sandbox_id=item.id)
        self.pods.clear()
        for pod in self.call("GET", PODS)["items"]:
            self.delete(pod["metadata"]["name"], 0)
        for logs in self.config.paths.logs.glob("cri_*"):  # a kubelet's to remove
            shutil.rmtree(logs)
        self.until(lambda: not self.leftovers())


def begin(layout, name):  # noqa: F811 - the fixture's value
    """A node that has the image."""
    directory = Path(tempfile.mkdtemp(prefix="pyrt-c-", dir="/var/tmp"))
    directory.chmod(0o755)
    config = for_instance(directory, f"{name}-{secrets.token_hex(3)}")
    config = msgspec.structs.replace(config, cri=msgspec.structs.replace(config.cri, enabled=True))
    node = Node(directory, config).start()
    node.call("POST", f"/apis/pyrt.dev/v1/images/import?path={layout}")
    return node


def end(node):
    """Remove everything, stop the daemon, and prove that nothing is left."""
    if node.process.poll() is not None:
        node.start()
    node.clear()
    assert node.pod_processes() == []
    node.client.channel.close()
    node.stop()
    for path in cgroups(node.config.cgroup.parent):
        for directory in sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True):
            directory.rmdir()
        path.rmdir()
    with Store(node.config.paths.root) as store:
        Network(node.config, store).uninstall()
    log = node.log.read_text()
    shutil.rmtree(node.file.parent)
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def shared_node(layout):  # noqa: F811
    """A node for the tests of one file."""
    node = begin(layout, "cri")
    yield node
    end(node)


@pytest.fixture
def node(shared_node):
    """The shared node, without pods at the end of the test."""
    yield shared_node
    shared_node.clear()


@pytest.fixture
def own_node(layout):  # noqa: F811
    """A node for one test, which may kill its daemon."""
    node = begin(layout, "cri-own")
    yield node
    end(node)


@pytest.fixture
def client(node):
    return node.client


@pytest.fixture
def pod(node):
    """A sandbox that is READY."""
    return node.pod()
