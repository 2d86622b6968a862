"""Kubernetes objects as data: types, decoding, defaults, validation, update rules. Pure; imports no other layer.

The way of a manifest::

    documents = manifest.load_documents(data)        # YAML or JSON text -> plain objects
    pod = decode.from_object(documents[0], Pod)      # typed, strictly; from_json for a request body
    defaults.set_pod_defaults(pod)                   # what the API server fills in, in place
    errors = validation.validate_pod(pod)                # the API server's rules and words
    refused, warnings = support.check(pod)               # what this version of pyrt does not do

"""
