"""``describe``: objects in sentences a person reads. One module a kind; ``generic`` for those without one."""
