"""Pods: what to do for them (pure), and the workers that do it."""
