"""The HTTP API: Kubernetes' REST conventions on a unix socket."""
