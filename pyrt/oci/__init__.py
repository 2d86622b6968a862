"""``pyrt-oci``: an OCI runtime with runc's command line, on the launch layer of the pods (docs/oci.md).

It is started anew for every step of a container's life, and a container engine waits each time: nothing is imported
here, and a command imports what it uses.
"""
