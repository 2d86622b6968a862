"""Kinds that make pods out of a template. Pods apart, none of them is run by this version."""

from __future__ import annotations

TEMPLATES = {
    ("batch/v1", "Job"): "spec.template",
    ("batch/v1", "CronJob"): "spec.jobTemplate.spec.template",
    ("apps/v1", "Deployment"): "spec.template",
    ("apps/v1", "ReplicaSet"): "spec.template",
    ("apps/v1", "StatefulSet"): "spec.template",
    ("apps/v1", "DaemonSet"): "spec.template",
    ("v1", "ReplicationController"): "spec.template",
    ("v1", "PodTemplate"): "template",
}
"""apiVersion and kind, and where the template is."""
