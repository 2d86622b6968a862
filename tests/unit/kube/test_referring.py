"""Which objects a pod names."""

from __future__ import annotations

import pytest

from pyrt.kube.decode import from_object
from pyrt.kube.manifest import load_documents
from pyrt.kube.pod import Pod
from pyrt.kube.referring import Reference, references
from pyrt.pods.object_watch import concerns

SPEC = """
containers:
- name: app
  envFrom: [{configMapRef: {name: all}}, {secretRef: {name: all, optional: true}}]
  env:
  - {name: A, valueFrom: {configMapKeyRef: {name: one, key: k}}}
  - {name: B, valueFrom: {secretKeyRef: {name: one, key: k, optional: true}}}
  - {name: C, value: c}
ephemeralContainers: [{name: debug, envFrom: [{configMapRef: {name: visit}}]}]
volumes:
- {name: a, emptyDir: {}}
- {name: b, configMap: {name: conf}}
- {name: c, secret: {secretName: creds, optional: true, items: [{key: k, path: p}, {key: l, path: q}]}}
- {name: d, projected: {sources: [{configMap: {name: part}}, {secret: {name: part}}, {downwardAPI: {}}]}}
imagePullSecrets: [{name: pull}]
"""


def pod() -> Pod:
    return from_object({"metadata": {"name": "p", "namespace": "ns"}, "spec": load_documents(SPEC)[0]}, Pod)


def test_all_of_them() -> None:
    assert list(references(pod())) == [
        Reference("ConfigMap", "conf"),
        Reference("Secret", "creds", "k", optional=True),
        Reference("Secret", "creds", "l", optional=True),
        Reference("ConfigMap", "part"),
        Reference("Secret", "part"),
        Reference("ConfigMap", "all"),
        Reference("Secret", "all", optional=True),
        Reference("ConfigMap", "one", "k"),
        Reference("Secret", "one", "k", optional=True),
        Reference("ConfigMap", "visit"),
    ]


@pytest.mark.parametrize(
    ("change", "news"),
    [
        (("ConfigMap", "ns", "conf"), True),
        (("Secret", "ns", "conf"), False),
        (("ConfigMap", "other", "conf"), False),
        (("ConfigMap", "ns", "none"), False),
        (("Secret", "ns", "pull"), False),
        (("Secret", "", None), True),
    ],
)
def test_whose_change_is_news(change: tuple[str, str, str | None], news: bool) -> None:
    assert concerns(pod(), *change) is news
