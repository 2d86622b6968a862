"""Whether a path is in an image, told from its layers."""

import os

import pytest

from pyrt.images.merged import has_path


def layer(root, name, *paths):
    for path in paths:
        (root / name / path).mkdir(parents=True)
    return root / name


@pytest.mark.parametrize(
    ("path", "there"), [("a", True), ("a/b", True), ("a/./b/", True), ("a/c", True), ("a/d", False), ("b", False)]
)
def test_directories_of_all_layers_are_merged(tmp_path, path, there):
    layers = layer(tmp_path, "lower", "a/b"), layer(tmp_path, "upper", "a/c")
    assert has_path(layers, path) is there


def test_a_file_hides_what_a_lower_layer_has_below_it(tmp_path):
    layers = layer(tmp_path, "lower", "a/b"), layer(tmp_path, "upper", ".")
    (layers[1] / "a").write_text("a file")
    assert has_path(layers, "a")
    assert not has_path(layers, "a/b")


def test_nothing_is_said_of_what_is_behind_a_link(tmp_path):
    layers = (layer(tmp_path, "only", "."),)
    os.symlink("/etc", layers[0] / "link")
    assert has_path(layers, "link/anything")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_deleted_and_opaque_directories(tmp_path):
    layers = layer(tmp_path, "lower", "gone", "a/b"), layer(tmp_path, "upper", "a/c")
    os.mknod(layers[1] / "gone", 0o20000, os.makedev(0, 0))
    assert not has_path(layers, "gone")
    try:
        os.setxattr(layers[1] / "a", "trusted.overlay.opaque", b"y")
    except OSError:
        pytest.skip("no trusted attributes here")
    assert not has_path(layers, "a/b")
    assert has_path(layers, "a/c")
