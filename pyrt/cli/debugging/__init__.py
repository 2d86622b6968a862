"""Visits to pods and to the machine: the manifests that ``pyrt debug`` makes."""
