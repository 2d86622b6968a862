"""imagePullSecrets: from the names in a pod's spec to the registry credentials in its namespace.

As the kubelet has it (``getPullSecretsForPod``, ``credentialprovider/secrets``): a secret that is missing is told and
the pull goes on without it; one of another type, or without data, is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from pyrt.kube.pod import Pod
from pyrt.kube.secret import Secret, docker_config

SecretLookup: TypeAlias = Callable[[str, str], Secret | None]
"""The secret of a namespace and name, ``None`` if there is none."""


class PullSecrets(NamedTuple):
    """What a pull is made with."""

    configs: tuple[bytes, ...]
    """Docker config JSONs, in the order of the spec."""
    missing: tuple[str, ...]
    """Names of secrets that do not exist."""


def pull_secrets(pod: Pod, lookup: SecretLookup) -> PullSecrets:
    """The credentials that a pod names. An entry without a name, which the API permits, names nothing."""
    configs: list[bytes] = []
    missing: list[str] = []
    for reference in pod.spec.image_pull_secrets:
        if not reference.name:
            continue
        secret = lookup(pod.metadata.namespace, reference.name)
        if secret is None:
            missing.append(reference.name)
        elif config := docker_config(secret):
            configs.append(config)
    return PullSecrets(tuple(configs), tuple(missing))
