"""What the runtime reports, as a status shows it."""

import pytest

from pyrt.ids import Digest, ImageId
from pyrt.images.types import Image, ImageConfig
from pyrt.kube.container import Container
from pyrt.pods.observe import image_names, termination_message


def image(tags, digests):
    return Image(ImageId("sha256:1"), Digest("sha256:2"), tags, digests, 1, ImageConfig(), ())


@pytest.mark.parametrize(
    ("ref", "name", "digest"),
    [
        ("nginx", "docker.io/library/nginx:latest", "docker.io/library/nginx@sha256:2"),
        ("nginx:1.27", "docker.io/library/nginx:1.27", "docker.io/library/nginx@sha256:2"),
        ("q.io:5000/web", "q.io:5000/web:latest", "q.io:5000/web@sha256:2"),
    ],
)
def test_canonical_names(ref, name, digest):
    known = image(
        ("docker.io/library/nginx:1.27", "docker.io/library/nginx:latest", "q.io:5000/web:latest"),
        ("docker.io/library/nginx@sha256:2", "q.io:5000/web@sha256:2"),
    )
    assert image_names(known, ref) == (name, digest)


def test_an_image_without_names():
    assert image_names(image((), ()), "sha256:1") == ("sha256:1", "")


def spec(policy="File"):
    return Container(name="app", termination_message_path="/dev/termination-log", termination_message_policy=policy)


@pytest.fixture
def files(tmp_path):
    log = "".join(f"2026-11-23T10:00:00.000000000Z stdout F line {n}\n" for n in range(200))
    (tmp_path / "0.log").write_text(log)
    return tmp_path / "message", tmp_path / "0.log"


def test_the_file(files):
    message, log = files
    message.write_bytes(b"x" * 5000)
    assert termination_message(spec(), message, log, 1) == "x" * 4096


def test_the_end_of_the_log(files):
    message, log = files
    text = termination_message(spec("FallbackToLogsOnError"), message, log, 1)
    assert text.splitlines()[0] == "line 120"
    assert text.endswith("line 199\n")
    assert termination_message(spec("FallbackToLogsOnError"), message, log, 0) == ""
    assert termination_message(spec(), message, log, 1) == ""


def test_what_is_no_plain_file_is_not_read(files, tmp_path):
    message, log = files
    message.symlink_to("/etc/passwd")
    assert termination_message(spec(), message, log, 1) == ""
