"""The price of ``pyrt get``: what it may not import. Time itself is measured by scripts/bench, not here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.cli.tables import PODS, pod_table
from tests.unit.client.server import Server, answer

HEAVY = (
    "aiohttp", "asyncio", "cffi", "ctypes", "email", "grpc", "hashlib", "http.client", "ipaddress", "logging",
    "msgspec", "multiprocessing", "psutil", "pyroute2", "rich", "sqlite3", "ssl", "subprocess", "tarfile", "tomllib",
    "urllib.parse", "urllib.request", "uvloop", "yaml", "pyrt._native", "pyrt.api", "pyrt.daemon", "pyrt.kube",
    "pyrt.pods", "pyrt.runtime",
)  # fmt: skip
PROBE = """
import sys
from pyrt.cli import run
code = run(["get", "pods"])
print(code, *sorted(sys.modules), file=sys.stderr)
"""


def test_get_imports_nothing_heavy(server: Server, tmp_path: Path) -> None:
    server.routes[f"GET {PODS}"] = answer(pod_table("web"))
    root = Path(__file__).parents[3]
    environment = {"PYRT_SOCKET": str(server.path), "PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert code == "0"
    assert done.stdout.splitlines()[1].startswith("web")
    assert [name for name in HEAVY if name in modules] == []
    commands = [name for name in modules if name.startswith("pyrt.cli.commands.")]
    assert commands == ["pyrt.cli.commands.get"]
