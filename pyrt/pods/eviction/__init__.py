"""Eviction: which pod goes when the node runs short of memory, disk or process ids, or when a pod uses too much disk.

:mod:`.thresholds` says when it is short, :mod:`.decide` what to do (pure, with what it must remember), :mod:`.ranking`
who goes first, :mod:`.messages` what is told, :mod:`.local` which pods are beyond limits of their own, :mod:`.measure`
reads the machine, and :mod:`.watch` does it all every ten seconds. After ``pkg/kubelet/eviction``.
"""
