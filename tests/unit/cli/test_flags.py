from __future__ import annotations

import click
import pytest

from pyrt.cli.flags import rewrite, split_dash

COMMAND = click.Command(
    "c",
    params=[
        click.Option(["-o", "--output"]),
        click.Option(["-w", "--watch"], is_flag=True),
        click.Option(["-A", "--all"], is_flag=True),
        click.Argument(["words"], nargs=-1),
    ],
)


@pytest.mark.parametrize(
    ("given", "rewritten", "off"),
    [
        (["-o=yaml"], ["-oyaml"], set()),
        (["-oyaml"], ["-oyaml"], set()),
        (["-o", "-w=false"], ["-o", "-w=false"], set()),
        (["--output", "--watch=false"], ["--output", "--watch=false"], set()),
        (["--output=--watch=false"], ["--output=--watch=false"], set()),
        (["--watch=true"], ["--watch"], set()),
        (["--watch=false"], [], {"watch"}),
        (["--watch=f", "--watch"], ["--watch"], set()),
        (["-w=0"], [], {"watch"}),
        (["-Aw=0"], ["-A"], {"watch"}),
        (["-wAo=json"], ["-wAojson"], set()),
        (["-wo", "x", "y"], ["-wo", "x", "y"], set()),
        (["pods", "-", "--unknown=1", "-z"], ["pods", "-", "--unknown=1", "-z"], set()),
    ],
)
def test_rewriting(given: list[str], rewritten: list[str], off: set[str]) -> None:
    assert rewrite(COMMAND, click.Context(COMMAND), given) == (rewritten, off)


def test_dash() -> None:
    assert split_dash(["a", "--", "b", "--", "c"]) == (["a"], ["b", "--", "c"])
    assert split_dash(["a"]) == (["a"], None)
    assert split_dash(["--"]) == ([], [])
