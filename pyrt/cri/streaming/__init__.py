"""The streaming server: where a kubelet is sent for exec, attach and port forwarding."""
