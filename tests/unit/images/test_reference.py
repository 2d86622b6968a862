"""References: the cases of distribution/reference's own tests that matter to users, and the kubelet's words."""

from __future__ import annotations

import pytest

from pyrt.images.errors import InvalidReferenceError
from pyrt.images.reference import parse_reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/library/nginx:latest", "docker.io/library/nginx:latest"),
        ("grafana/grafana", "docker.io/grafana/grafana:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        ("[fd00:1:2::3]/app", "[fd00:1:2::3]/app:latest"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("gcr.io/k8s-staging-cri-tools/test-image-tag:all", "gcr.io/k8s-staging-cri-tools/test-image-tag:all"),
        ("a/b/c", "docker.io/a/b/c:latest"),
        ("foo_bar.com:8080", "docker.io/library/foo_bar.com:8080"),
        ("Host/app", "Host/app:latest"),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"),
        ("a__b/c---d/e.f:T_a-g.1", "docker.io/a__b/c---d/e.f:T_a-g.1"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1.25@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"host:5000/x:t@{DIGEST}", f"host:5000/x@{DIGEST}"),
        ("ab" * 31, f"docker.io/library/{'ab' * 31}:latest"),
        ("n" * 255, None),
        ("a/" + "n" * 253, f"docker.io/a/{'n' * 253}:latest"),
    ],
)
def test_canonical(text: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(InvalidReferenceError, match="must not be more than 255 characters"):
            parse_reference(text)
    else:
        reference = parse_reference(text)
        assert reference.canonical == canonical
        assert parse_reference(canonical).canonical == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid reference format"),
        ("NGINX", "repository name (library/NGINX) must be lowercase"),
        ("repo/App:v1", "repository name (repo/App) must be lowercase"),
        ("ab" * 32, "cannot specify 64-byte hexadecimal strings"),
        (":tag", "invalid reference format"),
        ("nginx:", "invalid reference format"),
        ("nginx:-tag", "invalid reference format"),
        ("nginx:" + "t" * 129, "invalid reference format"),
        ("nginx@", "invalid reference format"),
        ("nginx@sha256:1234", "invalid reference format"),
        ("nginx@sha256:" + "a" * 63, "invalid checksum digest length"),
        ("nginx@sha256:" + "A" * 64, "invalid checksum digest format"),
        ("nginx@md5:" + "a" * 32, "unsupported digest algorithm"),
        ("-nginx", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a/b/", "invalid reference format"),
        ("/a", "invalid reference format"),
        ("a_-b", "invalid reference format"),
        ("host:port/app", "invalid reference format"),
        ("host.com:/app", "invalid reference format"),
        ("bad host.com/app", "invalid reference format"),
        ("nginx latest", "invalid reference format"),
        ("nginx\n", "invalid reference format"),
        ("https://host.com/app", "invalid reference format"),
        ("../../etc/passwd", "invalid reference format"),
        ("host.com/../x", "invalid reference format"),
        ("ünicode", "invalid reference format"),
        ("nginx@sha256:" + "a" * 64 + "@sha256:" + "a" * 64, "invalid reference format"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        parse_reference(text)
    assert str(caught.value).startswith(f'couldn\'t parse image name "{text}": ')
    assert reason in str(caught.value)
    assert caught.value.reason == "InvalidImageName"


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/nginx:latest", "nginx:latest"),
        ("docker.io/grafana/grafana:9", "grafana/grafana:9"),
        ("docker.io/library/a/b:1", "library/a/b:1"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
    ],
)
def test_familiar(text: str, familiar: str) -> None:
    assert parse_reference(text).familiar == familiar


def test_str_keeps_the_tag_beside_a_digest() -> None:
    assert str(parse_reference(f"nginx:1@{DIGEST}")) == f"docker.io/library/nginx:1@{DIGEST}"
