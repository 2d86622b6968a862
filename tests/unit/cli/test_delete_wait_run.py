from __future__ import annotations

import json

import pytest

from pyrt.cli.commands.delete import FORCED
from pyrt.cli.commands.wait import condition
from pyrt.cli.failure import CliError
from tests.unit.cli.conftest import Pyrt
from tests.unit.cli.tables import PODS, pod
from tests.unit.client.server import Asked, Server, answer, chunked, frame, handshake, status

EMPTY = answer({"metadata": {"resourceVersion": "9"}, "items": []})


def listing(*items: object) -> bytes:
    return answer({"metadata": {"resourceVersion": "7"}, "items": items})


def events(*pairs: tuple[str, object]) -> bytes:
    return chunked(*(json.dumps({"type": kind, "object": item}).encode() + b"\n" for kind, item in pairs))


def test_delete_waits_until_it_is_gone(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {
        f"DELETE {PODS}/web": answer(pod()),
        f"GET {PODS}": [listing(pod()), events(("MODIFIED", pod()), ("DELETED", pod()))],
    }
    result = pyrt("delete", "pod", "web")
    assert (result.code, result.out) == (0, 'pod "web" deleted\n')
    assert [asked.method for asked in server.asked] == ["DELETE", "GET", "GET"]
    assert server.asked[1].query == {"fieldSelector": ["metadata.name=web"]}


def test_another_pod_of_the_same_name_is_not_waited_for(server: Server, pyrt: Pyrt) -> None:
    other = pod()
    other["metadata"]["uid"] = "new"
    server.routes |= {f"DELETE {PODS}/web": answer(pod()), f"GET {PODS}": listing(other)}
    assert pyrt("delete", "pod/web").code == 0


@pytest.mark.parametrize(
    ("flags", "seconds", "said"),
    [
        ((), None, "deleted"),
        (("--now",), 1, "deleted"),
        (("--grace-period=7",), 7, "deleted"),
        (("--grace-period=0",), 1, "deleted"),
        (("--force",), 0, "force deleted"),
        (("--force", "--grace-period=0"), 0, "force deleted"),
    ],
)
def test_grace(server: Server, pyrt: Pyrt, flags: tuple[str, ...], seconds: int | None, said: str) -> None:
    server.routes[f"DELETE {PODS}/web"] = answer(pod())
    result = pyrt("delete", "pod", "web", "--wait=false", *flags)
    assert result.out == f'pod "web" {said}\n'
    assert (FORCED in result.err) == ("--force" in flags)
    assert server.asked[0].json().get("gracePeriodSeconds") == seconds


def test_delete_all_and_none(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}": listing(pod("a"), pod("b")), f"DELETE {PODS}/a": answer(pod("a"))}
    server.routes[f"DELETE {PODS}/b"] = answer(pod("b"))
    assert pyrt("delete", "pods", "--all", "--wait=false").out == 'pod "a" deleted\npod "b" deleted\n'
    server.routes[f"GET {PODS}"] = EMPTY
    assert pyrt("delete", "pods", "-l", "a=b").out == "No resources found\n"


def test_delete_errors(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"DELETE {PODS}/x"] = status(404, "NotFound", 'pods "x" not found')
    assert pyrt("delete", "pod", "x").err == 'Error from server (NotFound): pods "x" not found\n'
    assert pyrt("delete", "pod", "x", "--ignore-not-found").code == 0
    assert "no name was specified" in pyrt("delete", "pods").err
    assert "cannot be specified together" in pyrt("delete", "pod", "x", "--force", "--grace-period=5").err
    assert "You must provide one or more resources" in pyrt("delete").err


def test_wait_for_a_condition(server: Server, pyrt: Pyrt) -> None:
    waiting = {**pod(), "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    server.routes |= {
        f"GET {PODS}/web": answer(waiting),
        f"GET {PODS}": [listing(waiting), events(("MODIFIED", waiting), ("MODIFIED", pod()))],
    }
    assert pyrt("wait", "--for=condition=Ready", "pod/web").out == "pod/web condition met\n"


def test_wait_gives_up(server: Server, pyrt: Pyrt) -> None:
    def silent(asked: Asked) -> bytes | None:
        if "watch" not in asked.query:
            return listing(pod())
        asked.socket.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        asked.socket.recv(1)
        return None

    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}": silent}
    result = pyrt("wait", "--for=condition=Ready=false", "pod/web", "--timeout=50ms")
    assert (result.code, result.err) == (1, "error: timed out waiting for the condition on pods/web\n")


def test_wait_for_deletion_of_what_is_not_there(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": status(404, "NotFound", "gone"), f"GET {PODS}": EMPTY}
    assert pyrt("wait", "--for=delete", "pod/web").code == 0


@pytest.mark.parametrize(
    ("what", "met"),
    [
        ("condition=Ready", True),
        ("condition=ready=True", True),
        ("condition=Ready=false", False),
        ("jsonpath={.status.phase}=Running", True),
        ("jsonpath='{.status.phase}'=Failed", False),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', True),
        ("jsonpath={.status.podIP}", True),
        ("create", True),
    ],
)
def test_conditions(what: str, met: bool) -> None:
    holds = condition(what)
    assert holds(pod()) is met
    assert holds(None) is False


def test_unknown_condition() -> None:
    with pytest.raises(CliError, match="unrecognized condition"):
        condition("")


def test_run_creates(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"POST {PODS}"] = lambda asked: answer(asked.json(), 201)
    words = (
        "run",
        "web",
        "--image=nginx",
        "--env=A=b=c",
        "--port",
        "80",
        "-l",
        "a=1,b=2",
        "--privileged",
        "--",
        "x",
        "-y",
    )
    assert pyrt(*words).out == "pod/web created\n"
    sent = server.asked[0].json()
    assert sent["metadata"]["labels"] == {"a": "1", "b": "2"}
    container = sent["spec"]["containers"][0]
    assert container["args"] == ["x", "-y"]
    assert container["env"] == [{"name": "A", "value": "b=c"}]
    assert container["ports"] == [{"containerPort": 80}]
    assert container["securityContext"] == {"privileged": True}
    assert sent["spec"]["restartPolicy"] == "Always"


def test_run_prints_the_manifest(pyrt: Pyrt) -> None:
    out = pyrt("run", "w", "--image=i", "--dry-run=client", "-o", "yaml", "--command", "--", "sh").out
    assert "command:\n    - sh\n" in out
    assert "run: w" in out


def test_run_attached_exits_with_the_code(server: Server, pyrt: Pyrt) -> None:
    running = {
        **pod("w"),
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "state": {"running": {}}}]},
    }
    terminated = {"exitCode": 3, "reason": "Error"}
    failed = {**pod("w"), "status": {"phase": "Failed", "containerStatuses": [{"state": {"terminated": terminated}}]}}

    def attach(asked: Asked) -> None:
        handshake(asked, "v5.channel.k8s.io")
        asked.socket.sendall(frame(b"\x01hello\n") + frame(b'\x03{"status":"Success"}') + frame(b"", 8))

    server.routes |= {
        f"POST {PODS}": answer(pod("w"), 201),
        f"GET {PODS}": [listing(running), listing(failed), EMPTY],
        f"GET {PODS}/w/attach": attach,
        f"DELETE {PODS}/w": answer(pod("w")),
    }
    result = pyrt("run", "w", "--image=i", "--restart=Never", "--attach", "--rm")
    assert (result.code, result.out) == (3, 'hello\npod "w" deleted\n')
    assert result.err == "pod default/w terminated (Error)\n"


def test_run_of_what_ended_before_prints_its_log(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {
        f"POST {PODS}": answer(pod("w"), 201),
        f"GET {PODS}": listing(pod("w", "Succeeded")),
        f"GET {PODS}/w/log": answer(body=b"out\n"),
    }
    result = pyrt("run", "w", "--image=i", "--restart=Never", "--attach")
    assert (result.code, result.out) == (0, "out\n")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("run",), "NAME is required"),
        (("run", "x"), 'required flag(s) "image" not set'),
        (("run", "x", "--image=i", "--rm"), "--rm should only be used for attached containers"),
        (("run", "x", "--image=i", "-t"), "-i/--stdin is required"),
        (("run", "x", "--image=i", "--restart=Perhaps"), "invalid restart policy: Perhaps"),
        (("run", "x", "--image=i", "--env", "A"), "invalid env: A"),
    ],
)
def test_run_errors(pyrt: Pyrt, words: tuple[str, ...], text: str) -> None:
    result = pyrt(*words)
    assert result.code == 1
    assert text in result.err
