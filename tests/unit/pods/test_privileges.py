"""Who may run, in the kubelet's words; profiles of AppArmor; ranges of ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from pyrt.kube.pod import Pod
from pyrt.launch.context import UserNamespace
from pyrt.pods.apparmor import apparmor_profile, asks_for_apparmor
from pyrt.pods.errors import ContainerConfigError, SandboxConfigError
from pyrt.pods.privileges import check_non_root
from pyrt.pods.user_namespaces import IdRanges, UserNamespaces
from pyrt.runtime.config import Owner
from pyrt.runtime.status import SandboxState


def pod_of(context: dict[str, Any], whole: dict[str, Any] | None = None) -> Pod:
    return msgspec.convert(
        {
            "metadata": {"name": "web", "namespace": "default", "uid": "u1"},
            "spec": {
                "containers": [{"name": "app", "image": "i", "securityContext": context}],
                **({} if whole is None else {"securityContext": whole}),
            },
        },
        Pod,
    )


def refusal(context: dict[str, Any], image_user: str, whole: dict[str, Any] | None = None) -> str:
    pod = pod_of(context, whole)
    try:
        check_non_root(pod, pod.spec.containers[0], image_user)
    except ContainerConfigError as error:
        return f"{error}"
    return ""


WHERE = '(pod: "web_default(u1)", container: app)'
ROOT = f"container has runAsNonRoot and image will run as root {WHERE}"
NAME = "container has runAsNonRoot and image has non-numeric user (nobody), cannot verify user is non-root " + WHERE


@pytest.mark.parametrize(
    ("context", "user", "words"),
    [
        ({}, "", ""),
        ({"runAsNonRoot": False}, "", ""),
        ({"runAsNonRoot": True}, "", ROOT),
        ({"runAsNonRoot": True}, "0", ROOT),
        ({"runAsNonRoot": True}, "00:5", ROOT),
        ({"runAsNonRoot": True}, ":5", ROOT),
        ({"runAsNonRoot": True}, "1000:0", ""),
        ({"runAsNonRoot": True}, "nobody:nogroup", NAME),
        ({"runAsNonRoot": True, "runAsUser": 5}, "nobody", ""),
        ({"runAsNonRoot": True, "runAsUser": 0}, "5", f"container's runAsUser breaks non-root policy {WHERE}"),
    ],
)
def test_run_as_non_root(context, user, words):
    assert refusal(context, user) == words


def test_the_containers_word_on_root_wins():
    assert refusal({"runAsNonRoot": False}, "", {"runAsNonRoot": True}) == ""
    assert refusal({}, "", {"runAsNonRoot": True}) == ROOT
    assert refusal({"runAsUser": 7}, "", {"runAsNonRoot": True, "runAsUser": 0}) == ""


@pytest.mark.parametrize(
    ("context", "whole", "asks", "name"),
    [
        ({}, None, False, "default"),
        ({"appArmorProfile": {"type": "Unconfined"}}, None, False, ""),
        ({"appArmorProfile": {"type": "RuntimeDefault"}}, None, True, "default"),
        ({"appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}}, None, True, "mine"),
        ({}, {"appArmorProfile": {"type": "Localhost", "localhostProfile": "pods"}}, True, "pods"),
    ],
)
def test_apparmor(context, whole, asks, name):
    pod = pod_of(context, whole)
    assert asks_for_apparmor(pod) is asks
    assert apparmor_profile(pod, pod.spec.containers[0], "default") == name


def test_a_default_profile_that_is_not_there():
    pod = pod_of({"appArmorProfile": {"type": "RuntimeDefault"}})
    with pytest.raises(ContainerConfigError, match="this node has no such profile"):
        apparmor_profile(pod, pod.spec.containers[0], "")


# --- ids ---------------------------------------------------------------------------------------------------------


@dataclass
class Meta:
    uid: str


@dataclass
class Config:
    metadata: Meta
    user_namespace: UserNamespace | None
    owner: Owner = Owner.API


@dataclass
class Sandbox:
    config: Config
    state: SandboxState = SandboxState.READY
    id: str = "0" * 64


def sandbox(uid: str, first: int | None, length: int = 65536, *, ready: bool = True) -> Sandbox:
    ids = None if first is None else UserNamespace(first, length)
    return Sandbox(Config(Meta(uid), ids), SandboxState.READY if ready else SandboxState.NOT_READY)


def ranges(*sandboxes: Sandbox, count: int = 3) -> UserNamespaces:
    return UserNamespaces(IdRanges(65536, 65536, count), lambda: sandboxes)  # type: ignore[arg-type, return-value]


def test_a_kubelets_pod_of_the_same_uid_is_another():
    foreign = sandbox("a", 65536)
    foreign.config.owner = Owner.CRI
    assert ranges(foreign).take("a").first == 2 * 65536


def test_each_pod_has_its_own():
    given = ranges()
    firsts = [given.take(uid).first for uid in "abc"]
    assert firsts == [65536, 131072, 196608]
    with pytest.raises(SandboxConfigError, match="all 3 ranges of ids are taken"):
        given.take("d")


def test_one_that_is_being_made_keeps_its_range_and_one_that_was_not_made_gives_it_back():
    given = ranges()
    assert given.take("a") == given.take("a")
    given.settled("a")
    assert given.take("b").first == 65536


def test_what_lives_is_not_given_again():
    given = ranges(sandbox("a", 65536), sandbox("b", 131072, ready=False), sandbox("c", None))
    assert given.take("a").first == 65536
    assert given.take("d").first == 131072


def test_ranges_of_another_configuration_are_respected():
    assert ranges(sandbox("a", 100000, 100000), count=5).take("b").first == 262144
