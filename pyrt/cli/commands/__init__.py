"""The table of commands. A name leads to the module of that name (``port-forward``: ``port_forward.py``)."""

from __future__ import annotations

from pyrt.cli.command import Entry

PODS = "Make and remove pods"
LOOK = "Look at pods"
WORK = "Work with running pods"
MACHINE = "Images and this machine"
OTHER = "Other commands"

COMMANDS = (
    Entry("apply", "Apply a configuration to a resource by file name or stdin", PODS),
    Entry("create", "Create a resource from a file or from stdin", PODS),
    Entry("patch", "Update fields of a resource", PODS),
    Entry("replace", "Replace a resource by file name or stdin", PODS),
    Entry("edit", "Edit a resource on the server", PODS),
    Entry("set", "Set the images of containers", PODS),
    Entry("label", "Update the labels on a resource", PODS),
    Entry("annotate", "Update the annotations on a resource", PODS),
    Entry("diff", "Show what applying a configuration would change", PODS),
    Entry("run", "Run a particular image in a pod", PODS),
    Entry("delete", "Delete resources by file names, stdin, resources and names, or selectors", PODS),
    Entry("explain", "Show everything that applying a manifest would do, without doing it", PODS),
    Entry("get", "Display one or many resources", LOOK),
    Entry("describe", "Show details of a resource or group of resources", LOOK),
    Entry("events", "List events", LOOK),
    Entry("logs", "Print the logs of a container in a pod", LOOK, aliases=("log",)),
    Entry("top", "Display what pods use of the processors and the memory", LOOK),
    Entry("wait", "Wait for a condition on one or many resources", LOOK),
    Entry("attach", "Attach to a running container", WORK),
    Entry("exec", "Execute a command in a container", WORK),
    Entry("debug", "Create debugging sessions for pods and for this machine", WORK),
    Entry("port-forward", "Forward one or more local ports to a pod", WORK),
    Entry("cp", "Copy files and directories to and from containers", WORK),
    Entry("image", "Pull, list, import, save and remove images", MACHINE, aliases=("images",)),
    Entry("system", "Look at and clean up this machine", MACHINE),
    Entry("daemon", "Run the daemon in the foreground", MACHINE),
    Entry("api-resources", "Print the supported API resources on the server", OTHER),
    Entry("completion", "Output shell completion code for bash, zsh or fish", OTHER),
    Entry("version", "Print the client and server version information", OTHER),
)
