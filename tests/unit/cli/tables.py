"""Tables as the API serves them."""

from __future__ import annotations

from typing import Any

PODS = "/api/v1/namespaces/default/pods"
COLUMNS = [("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0), ("IP", 1)]


def pod_table(*names: str, columns: bool = True, version: str = "7", **metadata: Any) -> dict[str, Any]:
    rows = [
        {
            "cells": [name, "1/1", "Running", 0, "5s", "10.231.0.2"],
            "object": {"metadata": {"name": name, "namespace": "default", "resourceVersion": version, **metadata}},
        }
        for name in names
    ]
    definitions = [{"name": name, "type": "string", "priority": priority} for name, priority in COLUMNS]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": definitions if columns else None,
        "rows": rows,
    }


def pod(name: str = "web", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "7"},
        "spec": {"containers": [{"name": "app", "image": "busybox"}], **spec},
        "status": {"phase": phase, "podIP": "10.231.0.2", "conditions": [{"type": "Ready", "status": "True"}]},
    }
