"""The entry point: global flags, the command's name, its module, its exit code."""

from __future__ import annotations

import gc
import os
import sys

from pyrt import records
from pyrt.errors import PyrtError
from pyrt.oci.errors import OciError, UsageError, in_words_of_go
from pyrt.oci.flags import Options, parse
from pyrt.oci.log import LOG

if records.TYPE_CHECKING:
    from typing import NoReturn

VERSION_OF_SPEC = "1.3.0"

COMMANDS = {
    "checkpoint": "checkpoint a running container",
    "create": "create a container",
    "delete": "delete any resources held by the container often used with detached container",
    "events": "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
    "exec": "execute new process inside the container",
    "features": "show the enabled features",
    "kill": "kill sends the specified signal (default: SIGTERM) to the container's init process",
    "list": "lists containers started by pyrt-oci with the given root",
    "pause": "pause suspends all processes inside the container",
    "ps": "ps displays the processes running inside a container",
    "restore": "restore a container from a previous checkpoint",
    "resume": "resumes all processes that have been previously paused",
    "run": "create and run a container",
    "spec": "create a new specification file",
    "start": "executes the user defined process in a created container",
    "state": "output the state of a container",
    "update": "update container resource constraints",
}
"""Name -> what it does. Each is a module of :mod:`pyrt.oci.commands` with ``FLAGS``, ``USAGE`` and ``run``."""

_MODULES = {"list": "listing", "exec": "execute"}

GLOBAL_FLAGS = (
    "debug",
    "log =",
    "log-format =",
    "root =",
    "criu =",
    "systemd-cgroup",
    "rootless =",
    "version v",
)


class Global:
    """What the flags before the command say."""

    __slots__ = ("criu", "root", "rootless", "systemd_cgroup")

    def __init__(self, options: Options) -> None:
        self.root = os.path.abspath(options.text("root") or default_root())
        self.systemd_cgroup = options.on("systemd-cgroup")
        self.rootless = options.text("rootless", "auto")
        self.criu = options.text("criu", "criu")
        if self.rootless not in ("auto", "true", "false"):
            raise UsageError(f'invalid value "{self.rootless}" for flag -rootless')


def default_root() -> str:
    """``/run/pyrt-oci``, or below ``$XDG_RUNTIME_DIR`` for a user who is not root."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return f"{runtime}/pyrt-oci" if runtime and os.geteuid() != 0 else "/run/pyrt-oci"


def version() -> str:
    """As ``--version`` prints it."""
    from pyrt import __version__

    return f"pyrt-oci version {__version__}\nspec: {VERSION_OF_SPEC}\n"


def usage() -> str:
    """As ``--help`` prints it."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"   {name:{width}}{text}" for name, text in COMMANDS.items()]
    flags = [f"   --{flag.split()[0]}{' value' if '=' in flag else ''}" for flag in GLOBAL_FLAGS]
    return "\n".join(
        [
            "NAME:\n   pyrt-oci - Open Container Initiative runtime\n",
            "USAGE:\n   pyrt-oci [global options] command [command options] [arguments...]\n",
            "COMMANDS:",
            *lines,
            "\nGLOBAL OPTIONS:",
            *flags,
            "",
        ]
    )


def main() -> int:
    """Run the command line of this process; its exit code."""
    records.SHORT_LIVED = "msgspec" not in sys.modules
    # A file that is opened must not be taken for a standard stream that the caller left closed.
    while (fd := os.open("/dev/null", os.O_RDWR)) < 3:
        pass
    os.close(fd)
    try:
        return run(sys.argv[1:])
    except OciError as error:
        LOG.error(in_words_of_go(str(error)))
        return error.exit_code
    except PyrtError as error:
        LOG.error(in_words_of_go(str(error)))
        return 1
    except BrokenPipeError:
        return 1


def entry() -> NoReturn:
    """Run the command line of this process, and end it without taking the interpreter apart: nobody will miss it."""
    gc.disable()
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or 1
    sys.stderr.flush()
    os._exit(code)


def run(arguments: list[str]) -> int:
    """One command line. Raises :class:`pyrt.errors.PyrtError`."""
    options, left = parse(arguments, GLOBAL_FLAGS, interspersed=False)
    if options.on("version"):
        sys.stdout.write(version())
        return 0
    if not left or left[0] in ("help", "h") or options.on("help"):
        sys.stdout.write(usage())
        return 0
    name, *rest = left
    if name not in COMMANDS:
        raise UsageError(f"No help topic for '{name}'", exit_code=3)
    form = options.text("log-format", "text")
    if form not in ("text", "json"):
        raise UsageError(f"invalid log-format: {form}")
    try:
        LOG.open(options.text("log"), form, debug=options.on("debug"))
    except OSError as error:
        raise OciError(operation=f"open {options.text('log')}", errno=error.errno) from error
    module = __import__(f"pyrt.oci.commands.{_MODULES.get(name, name)}", fromlist=["run"])
    command_options, words = parse(rest, module.FLAGS, interspersed=not getattr(module, "STOPS_AT_WORD", False))
    if command_options.on("help"):
        sys.stdout.write(_command_usage(name, module.USAGE, module.FLAGS))
        return 0
    return int(module.run(Global(options), command_options, words))


def _command_usage(name: str, words: str, flags: tuple[str, ...]) -> str:
    lines = [
        f"NAME:\n   pyrt-oci {name} - {COMMANDS[name]}\n",
        f"USAGE:\n   pyrt-oci {name} [command options] {words}\n",
    ]
    if flags:
        lines.append("OPTIONS:")
    for flag in flags:
        long, *rest = flag.split()
        names = [f"--{long}", *(f"-{word}" for word in rest if word not in "=*")]
        lines.append(f"   {', '.join(names)}{' value' if {'=', '*'} & set(rest) else ''}")
    return "\n".join(lines) + "\n"


def exactly(words: list[str], count: int, usage_words: str) -> list[str]:
    """Refuse a command line with another number of words."""
    if len(words) != count:
        raise UsageError(f'requires exactly {count} argument(s): "{usage_words}"')
    return words


def at_least(words: list[str], count: int, usage_words: str) -> list[str]:
    """Refuse a command line with fewer words."""
    if len(words) < count:
        raise UsageError(f'requires a minimum of {count} argument(s): "{usage_words}"')
    return words


if __name__ == "__main__":
    entry()
