"""Command lines are read as the callers of runc write them."""

import pytest

from pyrt.oci import main
from pyrt.oci.errors import OciError, UsageError
from pyrt.oci.flags import parse
from pyrt.oci.log import quoted
from pyrt.oci.signals import number_of

FLAGS = ("bundle b =", "detach d", "env e *", "preserve-fds =")


@pytest.mark.parametrize(
    "words",
    [
        ["--bundle", "/b", "-d", "id"],
        ["--bundle=/b", "--detach", "id"],
        ["-b", "/b", "id", "-d"],
        ["-bundle", "/b", "--detach=true", "id"],
    ],
)
def test_flags_in_every_form(words):
    options, left = parse(words, FLAGS)
    assert (options.text("bundle"), options.on("detach"), left) == ("/b", True, ["id"])


def test_a_command_of_the_container_keeps_its_flags():
    options, left = parse(["-d", "id", "sh", "-c", "echo --bundle"], FLAGS, interspersed=False)
    assert options.on("detach")
    assert left == ["id", "sh", "-c", "echo --bundle"]


def test_repeated_and_numbers():
    options, _ = parse(["-e", "A=1", "--env", "B=2", "--preserve-fds", "3"], FLAGS)
    assert options.all("env") == ["A=1", "B=2"]
    assert options.number("preserve-fds") == 3


@pytest.mark.parametrize("words", [["--nope"], ["--bundle"]])
def test_refused(words):
    with pytest.raises(UsageError):
        parse(words, FLAGS)


@pytest.mark.parametrize("text", ["9", "KILL", "SIGKILL", "sigkill"])
def test_signal_names(text):
    assert number_of(text) == 9


@pytest.mark.parametrize("text", ["", "FOO", "-1", "99", "SIG_DFL", "RTMIN+99"])
def test_no_signal(text):
    with pytest.raises(OciError, match="unknown signal"):
        number_of(text)


def test_control_characters_do_not_reach_a_log():
    assert quoted('a"\n\x1b[31m\x9b') == '"a\\"\\n\\u001b[31m\\u009b"'


def test_version_and_unknown_command(capsys):
    assert main.run(["--version"]) == 0
    assert "spec: 1.3.0" in capsys.readouterr().out
    with pytest.raises(UsageError) as failed:
        main.run(["nonsense"])
    assert failed.value.exit_code == 3


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_every_command_explains_itself(name, capsys):
    assert main.run([name, "--help"]) == 0
    assert f"pyrt-oci {name}" in capsys.readouterr().out
