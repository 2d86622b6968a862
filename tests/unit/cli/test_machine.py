"""Images, system, explain, help, completion, manual pages."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pyrt.cli.check import check
from pyrt.cli.check.model import in_child
from pyrt.cli.command import DefaultGroup, Entry, LazyGroup
from pyrt.cli.commands import COMMANDS
from pyrt.cli.commands.completion import script
from pyrt.cli.manual import pages
from pyrt.cli.sizes import human
from tests.unit.cli.conftest import Pyrt
from tests.unit.client.server import Server, answer, chunked

IMAGES = "/apis/pyrt.dev/v1/images"
IMAGE = {
    "metadata": {"name": "sha256:" + "a" * 64}, "id": "sha256:" + "a" * 64, "digest": "sha256:" + "b" * 64,
    "size": 1234567,
    "repoTags": ["docker.io/library/nginx:latest"], "repoDigests": ["docker.io/library/nginx@sha256:" + "b" * 64],
    "usedBy": ["default/web"],
}  # fmt: skip
ROOT = Path(__file__).parents[3]


def pull(*events: object) -> bytes:
    return chunked(*(json.dumps(event).encode() + b"\n" for event in events))


def test_image_ls(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {IMAGES}"] = answer({"kind": "ImageList", "items": [IMAGE]})
    out = pyrt("image", "ls").out
    assert out.splitlines()[1].split() == ["docker.io/library/nginx", "latest", "a" * 12, "1.23MB", "<unknown>"]
    assert pyrt("image", "ls", "-q", "busybox").out == ""
    assert pyrt("image", "ls", "-o", "name").out == "docker.io/library/nginx:latest\n"


def test_image_pull_in_plain_lines(server: Server, pyrt: Pyrt) -> None:
    layer = {"type": "layer", "digest": "sha256:" + "c" * 64, "current": 0, "total": 2000}
    server.routes[f"POST {IMAGES}/pull"] = pull(
        {"type": "resolving", "image": "docker.io/library/nginx:latest"},
        *({**layer, "state": state} for state in ("waiting", "downloading", "downloading", "unpacking", "done")),
        {"type": "done", "image": IMAGE},
    )
    result = pyrt("image", "pull", "nginx")
    assert result.out == "docker.io/library/nginx:latest\n"
    assert result.err == (
        "Pulling docker.io/library/nginx:latest\n"
        "cccccccccccc: Downloading (2kB)\ncccccccccccc: Unpacking\ncccccccccccc: Done\n"
    )
    assert pyrt("image", "pull", "-q", "nginx").err == ""


def test_image_pull_with_bars(server: Server, pyrt: Pyrt) -> None:
    layer = {"type": "layer", "digest": "sha256:" + "c" * 64, "current": 10, "total": 2000, "state": "downloading"}
    server.routes[f"POST {IMAGES}/pull"] = pull(layer, {"type": "done", "image": IMAGE})
    result = pyrt("image", "pull", "nginx", "--progress=bars")
    assert result.code == 0
    assert "cccccccccccc" in result.err


def test_image_pull_failures(server: Server, pyrt: Pyrt) -> None:
    failure = {"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "nginx: not found", "code": 404}
    server.routes[f"POST {IMAGES}/pull"] = pull({"type": "error", "status": failure})
    result = pyrt("image", "pull", "nginx")
    assert (result.code, result.out, result.err) == (1, "", "Error from server (NotFound): nginx: not found\n")
    server.routes[f"POST {IMAGES}/pull"] = pull({"type": "resolving", "image": "x"})
    assert "ended the pull without a word" in pyrt("image", "pull", "-q", "nginx").err


def test_image_rm_prune_import_save(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    server.routes |= {
        f"DELETE {IMAGES}": answer({"untagged": ["nginx:latest"], "deleted": ["sha256:a"]}),
        f"POST {IMAGES}/prune": answer({"deleted": ["sha256:b"], "reclaimed": 5000}),
        f"POST {IMAGES}/import": answer({"items": [IMAGE]}),
        f"POST {IMAGES}/save": answer(body=b"archive"),
    }
    assert pyrt("image", "rm", "nginx").out == "Untagged: nginx:latest\nDeleted: sha256:a\n"
    assert pyrt("image", "prune", "--yes").out == "Deleted: sha256:b\nTotal reclaimed space: 5kB\n"
    path = tmp_path / "image.tar"
    path.write_bytes(b"")
    assert pyrt("image", "import", str(path), "-t", "x:1").out == "Imported docker.io/library/nginx:latest\n"
    assert server.asked[-1].query == {"path": [str(path)], "tag": ["x:1"]}
    assert pyrt("image", "import", str(tmp_path / "none")).code == 1
    assert pyrt("image", "save", "nginx", "-o", str(tmp_path / "out.tar")).code == 0
    assert (tmp_path / "out.tar").read_bytes() == b"archive"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["api.sock", "image.tar", "out.tar"]


def test_system_df(server: Server, pyrt: Pyrt) -> None:
    items = [{"type": "images", "total": 2, "active": 1, "size": 2000, "reclaimable": 1000}]
    server.routes["GET /apis/pyrt.dev/v1/system/df"] = answer({"items": items})
    assert pyrt("system", "df").out.splitlines()[1].split() == ["Images", "2", "1", "2kB", "1kB", "(50%)"]


def test_the_check_finds_something_to_say_of_everything(tmp_path: Path) -> None:
    findings = check(tmp_path / "lib", tmp_path / "logs")
    names = {finding.name for finding in findings}
    assert {
        "kernel",
        "system calls",
        "namespaces",
        "cgroups",
        "overlayfs",
        "seccomp",
        "nftables",
        "disk for images",
    } <= names
    assert all(finding.remedy for finding in findings if finding.status.value in {"warning", "missing"})


def test_a_probe_that_fails_is_told() -> None:
    def fail() -> None:
        raise OSError(1, "Operation not permitted", "probe")

    assert in_child(fail) == "probe: Operation not permitted"
    assert in_child(lambda: None) == ""


MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: app, image: nginx, command: [sleep, "1"], ports: [{containerPort: 80, hostPort: 8080}]}
"""


def test_explain_needs_no_daemon(pyrt: Pyrt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[paths]\nroot = "{tmp_path}/lib"\nrun = "{tmp_path}/run"\nlogs = "{tmp_path}/logs"\n')
    monkeypatch.delenv("PYRT_SOCKET")
    path = tmp_path / "pod.yaml"
    path.write_text(MANIFEST)
    result = pyrt("explain", "-f", str(path), "--config", str(config))
    assert (result.code, result.err) == (0, "")
    for text in (
        "Pod default/web (BestEffort)",
        "nginx -> docker.io/library/nginx:latest",
        "hostname web",
        "address add 10.231.0.",
        "pod00000000-0000-0000-0000-000000000000",
        "tcp . 8080",
        "command sleep 1",
        "exec 'sleep'" if "exec 'sleep'" in result.out else "sleep",
        "pivot",
    ):
        assert text in result.out
    parsed = json.loads(pyrt("explain", "-f", str(path), "-o", "json", "--config", str(config)).out)
    assert parsed["items"][0]["containers"][0]["command"] == ["sleep", "1"]
    assert not (tmp_path / "lib").exists()
    assert not (tmp_path / "run").exists()


def test_explain_refuses_what_the_server_refuses(pyrt: Pyrt, tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(MANIFEST.replace("image: nginx, ", ""))
    result = pyrt("explain", "-f", str(path))
    assert result.code == 1
    assert result.err == 'The Pod "web" is invalid: spec.containers[0].image: Required value\n'
    path.write_text(MANIFEST.replace("kind: Pod", "kind: Service"))
    assert "can be explained, and this is a Service of v1" in pyrt("explain", "-f", str(path)).err


JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: hello}
spec:
  template:
    spec:
      containers: [{name: hello, image: 'busybox:1.28', command: [sleep, "1"]}]
      restartPolicy: OnFailure
"""


def test_explain_the_pod_of_a_template(pyrt: Pyrt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[paths]\nroot = "{tmp_path}/lib"\nrun = "{tmp_path}/run"\nlogs = "{tmp_path}/logs"\n')
    monkeypatch.delenv("PYRT_SOCKET")
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    result = pyrt("explain", "-f", str(path), "--config", str(config))
    assert (result.code, result.err) == (0, "")
    first, second = result.out.splitlines()[:2]
    assert first == "Pod default/hello-xxxxx (BestEffort)"
    assert second.startswith(
        "  as the template of Job hello (spec.template) has it; nothing else of the Job is looked at"
    )
    path.write_text(JOB.replace("image:", "imago:"))
    said = pyrt("explain", "-f", str(path), "--config", str(config)).err
    assert 'Job in version "batch/v1" cannot be handled as a Job: spec.template: strict decoding error: ' in said
    path.write_text(JOB.replace("image: 'busybox:1.28', ", ""))
    assert pyrt("explain", "-f", str(path), "--config", str(config)).err == (
        'The Job "hello" is invalid: spec.template.spec.containers[0].image: Required value\n'
    )


def test_help_of_every_command_has_examples(pyrt: Pyrt) -> None:
    def look(path: tuple[str, ...], package: str, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            words = (*path, entry.name)
            result = pyrt(*words, "--help")
            assert result.code == 0
            command = entry.load(package)
            if isinstance(command, LazyGroup):
                look(words, f"{package}.{entry.module or entry.name}", command.entries)
            if not isinstance(command, LazyGroup) or isinstance(command, DefaultGroup):
                assert "Examples:" in result.out, words

    look((), "pyrt.cli.commands", COMMANDS)


def test_pyrt_alone_lists_the_commands(pyrt: Pyrt) -> None:
    result = pyrt()
    assert result.code == 0
    assert all(f"\n  {entry.name} " in result.out for entry in COMMANDS)


def test_version_without_a_daemon(pyrt: Pyrt) -> None:
    result = pyrt("version")
    assert result.code == 0
    assert result.out.startswith("Client Version: v")
    assert "No daemon answers" in result.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, pyrt: Pyrt) -> None:
    assert "_PYRT_COMPLETE" in script(shell)
    assert pyrt("completion", shell).out == script(shell)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("pyrt des", {"describe"}), ("pyrt logs w", {"web"}), ("pyrt get pod/d", {"pod/db"}),
     ("pyrt get p", {"pods", "persistentvolumes", "persistentvolumeclaims"}),
     ("pyrt delete pod ", {"web", "db"}), ("pyrt image pu", {"pull"})],
)  # fmt: skip
def test_completion(server: Server, monkeypatch: pytest.MonkeyPatch, words: str, expected: set[str]) -> None:
    from click.shell_completion import BashComplete

    from pyrt.cli.root import cli

    monkeypatch.setenv("PYRT_SOCKET", str(server.path))
    pods = [{"metadata": {"name": name}} for name in ("web", "db")]
    server.routes["GET /api/v1/namespaces/default/pods"] = answer({"items": pods})
    before, _, incomplete = words.rpartition(" ")
    completion = BashComplete(cli, {}, "pyrt", "_PYRT_COMPLETE")
    found = completion.get_completions(before.split()[1:], incomplete)
    assert {item.value for item in found} == expected


def test_manual_pages_are_current() -> None:
    directory = ROOT / "docs" / "man"
    written = {path.name: path.read_text() for path in directory.glob("*.1")}
    assert written == pages(), "run scripts/gen-man"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (999, "999B"), (1000, "1kB"), (1234567, "1.23MB"), (999_999, "1MB"), (5e15, "5PB")]
)
def test_sizes(size: float, text: str) -> None:
    assert human(size) == text


def test_nothing_of_the_tests_is_left() -> None:
    assert not os.path.exists("/sys/class/net/pyrtcheck0")
