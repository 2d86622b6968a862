"""Indexes, manifests and configurations: what is understood, chosen and refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyrt.images import manifest as m
from pyrt.images.errors import ImageError, InvalidImageError, NoMatchingPlatformError
from pyrt.images.manifest import Descriptor, Index, Manifest, Platform

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def document(**changes: Any) -> bytes:
    base: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": m.OCI_MANIFEST,
        "config": {"mediaType": m.OCI_CONFIG, "digest": A, "size": 10},
        "layers": [{"mediaType": m.OCI_LAYER + "+gzip", "digest": B, "size": 20}],
    }
    base.update(changes)
    return json.dumps({key: value for key, value in base.items() if value is not None}).encode()


def index(*platforms: str, media_type: str = m.OCI_MANIFEST) -> Index:
    entries = []
    for number, text in enumerate(platforms):
        os_name, architecture, variant = (text + "//").split("/")[:3]
        digest = f"sha256:{number:064x}"
        entries.append(Descriptor(media_type, digest, 1, platform=Platform(architecture, os_name, variant)))
    return Index(tuple(entries))


def test_a_manifest() -> None:
    found = m.decode_manifest(document(), "", "image x")
    assert isinstance(found, Manifest)
    assert (found.config.digest, found.layers[0].size) == (A, 20)


def test_docker_types() -> None:
    content = document(
        mediaType=m.DOCKER_MANIFEST,
        config={"mediaType": m.DOCKER_CONFIG, "digest": A, "size": 1},
        layers=[{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": B, "size": 2}],
    )
    assert isinstance(m.decode_manifest(content, m.DOCKER_MANIFEST, "x"), Manifest)


def test_the_media_type_may_be_in_the_header_only() -> None:
    assert isinstance(m.decode_manifest(document(mediaType=None), m.OCI_MANIFEST + "; charset=utf-8", "x"), Manifest)


def test_unknown_fields_are_for_others() -> None:
    assert isinstance(m.decode_manifest(document(annotations={"a": "b"}, subject={}), "", "x"), Manifest)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (json.dumps({"schemaVersion": 1, "fsLayers": []}).encode(), "schema version 1"),
        (document(manifests=[]), "index and an image at the same time"),
        (document(config={"mediaType": m.OCI_CONFIG, "digest": "sha256:../../x", "size": 1}), "no sha256 digest"),
        (document(config={"mediaType": m.OCI_CONFIG, "digest": A, "size": -1}), "-1 bytes"),
        (document(config={"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": A, "size": 1}), "helm"),
        (document(layers=[{"mediaType": m.OCI_LAYER + "+gzip+encrypted", "digest": B, "size": 1}]), "encrypted"),
        (document(layers=[{"mediaType": "text/plain", "digest": B, "size": 1}]), "text/plain"),
        (document(layers="no"), "cannot read its manifest"),
        (document(layers=[{"mediaType": m.OCI_LAYER, "digest": B, "size": 1}] * 501), "501 layers"),
        (document(mediaType="text/html", config=None, layers=None), "is not an image"),
    ],
)
def test_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidImageError) as caught:
        m.decode_manifest(content, "", "registry r")
    assert reason in str(caught.value)
    assert str(caught.value).startswith("registry r: ")


@pytest.mark.parametrize(
    ("platforms", "wanted", "chosen"),
    [
        (["linux/arm64", "linux/amd64"], Platform("amd64", "linux"), 1),
        (["windows/amd64", "linux/amd64"], Platform("amd64", "linux"), 1),
        (["linux/amd64/v3", "linux/amd64"], Platform("amd64", "linux"), 1),
        (["linux/amd64/v1"], Platform("amd64", "linux"), 0),
        (["linux/arm64"], Platform("arm64", "linux", "v8"), 0),
        (["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"], Platform("arm", "linux", "v7"), 1),
        (["linux/arm/v6"], Platform("arm", "linux", "v7"), 0),
        (["unknown/unknown", "linux/amd64"], Platform("amd64", "linux"), 1),
    ],
)
def test_choice_of_platform(platforms: list[str], wanted: Platform, chosen: int) -> None:
    found = m.choose(index(*platforms), wanted, "x")
    assert found.digest == f"sha256:{chosen:064x}"


@pytest.mark.parametrize("platforms", [["linux/arm64", "unknown/unknown"], ["linux/amd64/v3"], ["windows/amd64"], []])
def test_no_matching_platform(platforms: list[str]) -> None:
    with pytest.raises(NoMatchingPlatformError, match="no match for platform in manifest: linux/amd64 wanted"):
        m.choose(index(*platforms), Platform("amd64", "linux"), "x")


def test_an_artifact_in_an_index_is_not_an_image() -> None:
    with pytest.raises(ImageError):
        m.choose(index("linux/amd64", media_type="text/plain"), Platform("amd64", "linux"), "x")


def manifest_of(count: int) -> Manifest:
    layer = Descriptor(m.OCI_LAYER, B, 1)
    return Manifest(Descriptor(m.OCI_CONFIG, A, 1), (layer,) * count)


def test_configuration() -> None:
    content = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/e"], "Cmd": None, "Env": ["A=b"], "User": "1:2", "Volumes": {"/v": {}}},
        "rootfs": {"type": "layers", "diff_ids": [B]},
    }
    config = m.decode_config(json.dumps(content).encode(), manifest_of(1), "x").inherited()
    assert (config.entrypoint, config.cmd, config.env) == (("/e",), (), ("A=b",))
    assert (config.user, config.volumes, config.labels) == ("1:2", ("/v",), {})


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"rootfs": {"diff_ids": []}}, InvalidImageError),
        ({"rootfs": {"diff_ids": ["../../x"]}}, InvalidImageError),
        ({"os": "windows", "rootfs": {"diff_ids": [B]}}, NoMatchingPlatformError),
        ({"rootfs": {"diff_ids": [B]}, "config": {"Cmd": "not a list"}}, InvalidImageError),
        ({}, InvalidImageError),
    ],
)
def test_configurations_refused(content: dict[str, Any], error: type[ImageError]) -> None:
    with pytest.raises(error):
        m.decode_config(json.dumps(content).encode(), manifest_of(1), "x")


def test_chain_ids_of_the_specification() -> None:
    # image-spec, config.md: ChainID(A|B) = Digest(ChainID(A) + " " + DiffID(B))
    first, second = m.chain_ids([A, B])
    assert first == A
    # printf 'sha256:aaa... sha256:bbb...' | sha256sum
    assert second == "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c"
    assert m.chain_ids([B, A])[1] != second
