"""A daemon in a chroot could not confine containers: pivot_root leaves the machine's root above theirs."""

from __future__ import annotations

import subprocess
import sys

from pyrt.config import Config, dump_config

IN_A_CHROOT = 'mount --rbind / "$1" && shift && exec chroot "$@"'


def test_a_chroot_is_refused(instance: Config) -> None:
    root = instance.paths.root.parent / "root"
    root.mkdir(parents=True)
    config = root.parent / "config.toml"
    config.write_text(dump_config(instance))
    daemon = [sys.executable, "-P", "-m", "pyrt.cli", "--config", str(config), "daemon"]
    private = ["unshare", "-m", "--propagation", "private", "sh", "-c", IN_A_CHROOT, "sh", str(root), str(root)]
    said = subprocess.run([*private, *daemon], capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 1
    assert "this is a chroot" in said.stderr
    assert not instance.api_socket.exists()
