"""The Container Runtime Interface, version 1: the door through which a kubelet uses pyrt.

``runtime.proto`` is the contract; ``runtime_pb2`` is made from it when pyrt is built. Importing this package costs
nothing: the daemon imports :mod:`pyrt.cri.server` when the door is switched on.
"""
