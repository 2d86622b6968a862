"""``pyrt create secret tls``."""

from __future__ import annotations

from pathlib import Path

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.create.hashing import hash_option, with_hash
from pyrt.cli.commands.create.making import exact_name, make, making_options
from pyrt.cli.commands.create.secret.manifest import secret_object
from pyrt.cli.failure import CliError
from pyrt.cli.session import Session
from pyrt.client.resources import SECRET

EXAMPLES = """
# Create a new TLS secret named tls-secret with the given key pair
pyrt create secret tls tls-secret --cert=path/to/tls.crt --key=path/to/tls.key
"""
TYPE = "kubernetes.io/tls"
NO_PEM = "failed to find any PEM data in certificate or key input"
REASONS = {
    "KEY_VALUES_MISMATCH": "private key does not match public key",
    "KEY_TYPE_MISMATCH": "private key type does not match public key type",
}


@click.command(cls=Command, name="tls", examples=EXAMPLES, arguments="NAME --cert=FILE --key=FILE")
@click.argument("words", nargs=-1)
@click.option("--cert", metavar="FILE", default="", help="Path to PEM encoded public key certificate.")
@click.option("--key", metavar="FILE", default="", help="Path to private key associated with given certificate.")
@hash_option
@making_options
@click.pass_obj
def command(
    session: Session, /, words: tuple[str, ...], cert: str, key: str, append_hash: bool, output: str, dry_run: str
) -> None:
    """Create a TLS secret from a certificate and its private key, PEM encoded.

    The key must be the certificate's.
    """
    name = exact_name(words)
    if not key or not cert:
        raise CliError("key and cert must be specified")
    data = {"tls.crt": _read(cert), "tls.key": _read(key)}
    check_pair(cert, key)
    make(session, SECRET, with_hash(secret_object(name, TYPE, data), append_hash), output, dry_run)


def check_pair(cert: str, key: str) -> None:
    """Raises :class:`CliError` unless the files are a certificate and its private key, without a passphrase."""
    import ssl

    def no_passphrase() -> str:
        raise CliError(f"tls: failed to parse private key: {key} needs a passphrase")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, no_passphrase)
    except ssl.SSLError as error:
        raise CliError(f"tls: {REASONS.get(error.reason or '', NO_PEM)}") from error


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CliError(f"Cannot read file {path}, open {path}: {(error.strerror or str(error)).lower()}") from error
