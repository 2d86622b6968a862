"""Where the data of a Secret or ConfigMap comes from: literals, files, directories, files of variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyrt.cli.failure import CliError
from pyrt.kube.names import config_key, env_name

Data = dict[str, bytes]


def gather(
    literals: tuple[str, ...], files: tuple[str, ...], env_files: tuple[str, ...], *, config_map: str = ""
) -> Data:
    """Everything that was named, for a Secret, or for the ConfigMap of that name.

    Raises :class:`CliError`, in kubectl's words, for what is malformed, missing, or named twice.
    """
    if env_files and (literals or files):
        raise CliError("from-env-file cannot be combined with from-file or from-literal")
    data: Data = {}
    for key, value in (*_literals(literals), *_files(files), *_variables(env_files)):
        problems = config_key(key)
        if problems:
            rules = "; ".join(problems)
            raise CliError(
                f'"{key}" is not a valid key name for a ConfigMap: {rules}'
                if config_map
                else f'"{key}" is not valid key name for a Secret {rules}'
            )
        if key in data:
            where = f' for ConfigMap "{config_map}"' if config_map else ""
            raise CliError(f'cannot add key "{key}", another key by that name already exists in Data{where}')
        data[key] = value
    return data


def _literals(literals: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for text in literals:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise CliError(f"invalid literal source {text}, expected key=value")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        yield key, (value[1:-1] if quoted else value).encode()


def _files(sources: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for source in sources:
        key, equals, name = source.rpartition("=")
        if equals and "=" in key:
            raise CliError("key names or file paths cannot contain '='")
        if equals and not key:
            raise CliError(f'key name for file path "{name}" missing')
        if equals and not name:
            raise CliError(f'file path for key name "{key}" missing')
        path = Path(name)
        if path.is_dir():
            if equals:
                raise CliError("cannot give a key name for a directory path")
            found = (entry for entry in sorted(path.iterdir()) if entry.is_file() and not entry.is_symlink())
            yield from ((entry.name, _read(entry)) for entry in found if not config_key(entry.name))
        else:
            yield key or path.name, _read(path)


def _variables(files: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    import os

    for name in files:
        for number, line in enumerate(_read(Path(name)).decode().removeprefix("\ufeff").splitlines(), 1):
            text = line.lstrip()
            if not text or text.startswith("#"):
                continue
            key, equals, value = text.partition("=")
            problems = env_name(key)
            if problems:
                raise CliError(f'"{key}" is not a valid key name in {name}:{number}: {"; ".join(problems)}')
            yield key, (value if equals else os.environ.get(key, "")).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"error reading {path}: {(error.strerror or str(error)).lower()}") from error
