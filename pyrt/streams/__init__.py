"""Streams between pods and clients: logs, remote commands, forwarded ports."""
