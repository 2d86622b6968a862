"""pyrt: a low-level container runtime that runs Kubernetes Pods on one Linux machine."""

__version__ = "0.1.0"
