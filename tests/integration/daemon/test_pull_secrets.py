"""imagePullSecrets, against Debian's docker-registry that asks for a name and password."""

import base64
import json

import pytest

from rootfs import registry

SECRETS = "/api/v1/namespaces/default/secrets"


@pytest.fixture(scope="module")
def image(layout, tmp_path_factory):
    """The name of an image that only alice may pull (password: wonder)."""
    directory, port = tmp_path_factory.mktemp("private"), registry.free_port()
    # htpasswd -nbBC 4 alice wonder
    (directory / "htpasswd").write_text("alice:$2b$04$abcdefghijklmnopqrstuuetGRvO6QNMBbbIoo5tpQkbPXg26U9Qu\n")
    auth = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    registry.start(directory, port, {"auth": auth})
    try:
        registry.push(layout, f"http://127.0.0.1:{port}", "alice:wonder")
        yield f"127.0.0.1:{port}/library/busybox:1.36"
    finally:
        registry.stop(directory)


def credentials(image, password):
    """A Secret as ``create secret docker-registry`` makes it."""
    auth = base64.b64encode(f"alice:{password}".encode()).decode()
    config = {"auths": {image.partition("/")[0]: {"auth": auth}}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "creds"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps(config)},
    }


@pytest.fixture
def private_pod(pod, image):
    """A pod that pulls the private image, whether it is there or not, with the secret ``creds``."""
    container = {"image": image, "imagePullPolicy": "Always"}
    return pod("private", "true", container=container, imagePullSecrets=[{"name": "creds"}])


@pytest.fixture(autouse=True)
def _no_secret(daemon):
    yield
    daemon.call("DELETE", SECRETS)


def test_refused_without_the_secret_then_pulled_with_it(daemon, image, private_pod):
    daemon.create(private_pod)
    assert daemon.event("private", "FailedToRetrieveImagePullSecret") == (
        "Unable to retrieve some image pull secrets (creds); attempting to pull the image may not succeed."
    )
    message = daemon.event("private", "Failed")
    assert message.startswith(f'Failed to pull image "{image}": ')
    assert "pull access denied, repository does not exist or may require authorization" in message
    waiting = daemon.get("private")["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] in ("ErrImagePull", "ImagePullBackOff")
    daemon.delete("private", 0)
    daemon.call("POST", SECRETS, credentials(image, "wonder"))
    daemon.create(private_pod)
    assert daemon.phase("private", "Succeeded", "Failed")["status"]["phase"] == "Succeeded"


def test_a_wrong_password(daemon, image, private_pod):
    daemon.call("POST", SECRETS, credentials(image, "wander"))
    daemon.create(private_pod)
    assert "pull access denied" in daemon.event("private", "Failed")


def test_a_secret_that_comes_late_is_found_by_the_next_try(daemon, image, private_pod):
    daemon.create(private_pod)
    daemon.event("private", "FailedToRetrieveImagePullSecret")
    daemon.call("POST", SECRETS, credentials(image, "wonder"))
    assert daemon.phase("private", "Succeeded", "Failed")["status"]["phase"] == "Succeeded"
