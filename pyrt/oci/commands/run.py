"""``pyrt-oci run``."""

from __future__ import annotations

import os

from pyrt.oci import foreground
from pyrt.oci.commands import create as creating
from pyrt.oci.creation import create, destroy
from pyrt.oci.flags import Options
from pyrt.oci.main import Global, exactly

USAGE = "<container-id>"
FLAGS = (*creating.FLAGS, "detach d", "keep")


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Make a container, start it, and unless ``--detach`` stay until it ends; then its exit code is ours."""
    (id_,) = exactly(words, 1, USAGE)
    detached = options.on("detach")
    request = creating.request_of(global_, options, id_, detached=detached)
    request.gate = False
    process = request.bundle.config.process
    assert process is not None
    console = None
    if not detached:
        foreground.block_signals()
        if not options.on("no-subreaper"):
            foreground.become_subreaper()
        if process.terminal:
            from pyrt.oci.terminal import Console

            console = Console()
            request.console_socket = console.given
    created = create(request)
    directory, state, player = created.directory, created.state, created.player
    try:
        if state.has_hooks:
            from pyrt.oci import starting

            hooks = request.bundle.config.hooks
            assert hooks is not None
            if hooks.start_container:
                starting.run_start_container(directory, state)
        player.go()
        player.next_stop()
        if state.has_hooks and hooks is not None and hooks.poststart:
            starting.run_poststart(directory, state)
    except BaseException:
        player.kill()
        destroy(directory, state)
        raise
    directory.unlock()
    if detached:
        return 0
    try:
        if console is not None:
            from pyrt.oci.terminal import relay

            os.close(console.given)
            code = relay(player.pid, player.pidfd, console.master())
        else:
            code = foreground.wait(player.pid, player.pidfd)
    finally:
        if not options.on("keep"):
            directory.lock()
            if not directory.gone():
                destroy(directory, state)
    return code
