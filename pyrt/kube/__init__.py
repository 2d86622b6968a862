"""Kubernetes objects as data: types, decoding, defaults, validation, update rules. Pure; imports no other layer.

The way of a manifest::

    documents = parse.parse_manifest(data, "pod.yaml")   # YAML or JSON text -> typed objects, strictly
    defaults.set_pod_defaults(pod)                       # what the API server fills in, in place
    errors = validation.validate_pod(pod)                # the API server's rules and words
    refused, warnings = support.check(pod)               # what this version of pyrt does not do

"""
