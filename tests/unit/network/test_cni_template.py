"""A configuration that the node's CIDRs are filled into."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrt.network.cni.errors import ConfigurationError
from pyrt.network.cni.gotemplate import render
from pyrt.network.cni.template import fill_in, write_configuration

TEMPLATE = """{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [{
    "type": "ptp",
    "ipam": {
      "type": "host-local",
      "first": "{{.PodCIDR}}",
      "ranges": [{{range $i, $range := .PodCIDRRanges}}{{if $i}}, {{end}}[{"subnet": "{{$range}}"}]{{end}}],
      "routes": [{{range $i, $route := .Routes}}{{if $i}}, {{end}}{"dst": "{{$route}}"}{{end}}]
    }
  }]
}
"""


def test_a_template_of_containerds_kind() -> None:
    ipam = json.loads(fill_in(TEMPLATE, ("10.1.0.0/24", "fd00:1::/64")))["plugins"][0]["ipam"]
    assert ipam["first"] == "10.1.0.0/24"
    assert ipam["ranges"] == [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]
    assert ipam["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    assert json.loads(fill_in(TEMPLATE, ("fd00:1::/64",)))["plugins"][0]["ipam"]["routes"] == [{"dst": "::/0"}]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a {{- .One -}} b", "a1b"),
        ("{{/* no */}}{{ .One }}", "1"),
        ("{{range .List}}<{{.}}{{$.One}}>{{end}}", "<x1><y1>"),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ("{{if .None}}a{{else if .One}}b{{else}}c{{end}}", "b"),
        ("{{if .None}}a{{else if .None}}b{{else}}c{{end}}", "c"),
        ("{{range $x := .List}}{{range $.List}}{{$x}}{{.}} {{end}}{{end}}", "xx xy yx yy "),
        ("{{.Deep.er}}", "3"),
        ("", ""),
    ],
)
def test_the_language(template: str, text: str) -> None:
    assert render(template, {"One": 1, "List": ["x", "y"], "None": [], "Deep": {"er": 3}}) == text


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{.Two}}", "there is no .Two"),
        ("{{$x}}", r"there is no \$x"),
        ("{{printf .One}}", "is not understood"),
        ("{{.List}}", "is a list"),
        ("{{range .One}}{{end}}", "expected a list"),
        ("{{if .One}}", "expected {{end}}"),
        ("{{end}}", "without a beginning"),
        ("{{if .One}}{{else}}{{else}}{{end}}", "expected {{end}} after {{else}}"),
        ("{{if .One}}{{else with .One}}{{end}}", "is not understood"),
        ("{{ .One", "does not end"),
        ("{{range x y z}}{{end}}", "is not understood"),
        ("{{}}", "is not understood"),
    ],
)
def test_what_is_not_understood_is_refused(template: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        render(template, {"One": 1, "List": ["x"]})


def test_a_configuration_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    template, directory = tmp_path / "template", tmp_path / "etc/net.d"
    template.write_text(TEMPLATE)
    path = write_configuration(template, directory, ("10.1.0.0/24",))
    assert path == directory / "10-pyrt.conflist"
    assert json.loads(path.read_text())["name"] == "pods"
    assert [entry.name for entry in directory.iterdir()] == ["10-pyrt.conflist"]
    before = path.read_text()
    for text in ("{{.No}}", "{}", "{"):
        template.write_text(text)
        with pytest.raises(ConfigurationError, match=f"{template}"):
            write_configuration(template, directory, ("10.1.0.0/24",))
    template.write_text(TEMPLATE)
    with pytest.raises(ConfigurationError, match="does not appear to be"):
        write_configuration(template, directory, ("ten",))
    template.unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        write_configuration(template, directory, ("10.1.0.0/24",))
    assert path.read_text() == before
