"""The command `kaito-apiserver`."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kaito.apiserver.server import EmbeddedServer, ServerOptions, certificates_of
from kaito.core import configure_logging
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger

_log = get_logger()

_DESCRIPTION = """\
example:
  kaito-apiserver --data-dir ~/.kaito/apiserver --port 7443 --token-file ~/.kaito/token

The embedded Kubernetes API server of kaito: state in SQLite, TLS, one administrator token.
It is made for one machine and for tests; it is no production cluster.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="kaito-apiserver", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = result.add_argument
    add(
        "--data-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="where the state, the certificates and the lock are kept",
    )
    add("--bind", default="127.0.0.1", metavar="HOST", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=7443, help="port to listen on, 0 for a free one (default: %(default)s)")
    add(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="the administrator's token; made when missing (default: DIR/token)",
    )
    add("--tls-cert-file", type=Path, metavar="FILE", help="server certificate (default: one made in DIR/tls)")
    add("--tls-private-key-file", type=Path, metavar="FILE", help="key of the server certificate")
    add("--service-cidr", default="127.96.0.0/16", metavar="CIDR", help="addresses of Services (default: %(default)s)")
    add("--audit-log-path", type=Path, metavar="FILE", help="write one JSON line for every request to this file")
    add("--kubelet-token-file", type=Path, metavar="FILE", help="token for fetching logs from nodes")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"), help="default: %(default)s")
    return result


def options_of(arguments: argparse.Namespace) -> ServerOptions:
    """Return the server's options for a parsed command line."""
    return ServerOptions(
        data_dir=arguments.data_dir,
        bind=arguments.bind,
        port=arguments.port,
        token_file=arguments.token_file or arguments.data_dir / "token",
        tls_cert_file=arguments.tls_cert_file,
        tls_private_key_file=arguments.tls_private_key_file,
        service_cidr=arguments.service_cidr,
        audit_log_path=arguments.audit_log_path,
        kubelet_token_file=arguments.kubelet_token_file,
    )


async def serve(options: ServerOptions) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with EmbeddedServer.start(options=options) as server:
        _log.info("serving", url=server.url, data_dir=str(options.data_dir), resource_version=server.store.version)
        await stopped.wait()
        _log.info("stopping")


def _make_certificates_apart(options: ServerOptions) -> None:
    """Make missing certificates in a child process: what that imports would stay in the memory of this one (10 MiB).

    Whatever goes wrong there goes wrong again when the server starts, which says so.
    """
    assert options.data_dir is not None
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError, KaitoError):
            certificates_of(options, options.data_dir)
        os._exit(0)
    os.waitpid(child, 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parsed = parser().parse_args(arguments)
    if bool(parsed.tls_cert_file) != bool(parsed.tls_private_key_file):
        parser().error("--tls-cert-file and --tls-private-key-file go together")
    configure_logging(parsed.log_level)
    options = options_of(parsed)
    _make_certificates_apart(options)
    try:
        asyncio.run(serve(options))
    except KaitoError as error:
        sys.stderr.write(f"kaito-apiserver: {error.advice}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
