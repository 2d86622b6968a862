"""``pyrt explain``: everything that would be done for a manifest, from the same pure functions that the daemon calls.

``compose`` translates a Pod step by step, ``model`` is what comes out, ``text`` prints it. Nothing is run, made or
asked of the kernel that needs a right.
"""
