"""Serve the files of a page to this machine's browsers."""

import http.server
import mimetypes
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from mimic.core.errors import InputError

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 8000, 50


def page_server(files: Mapping[str, bytes], port: int | None = None) -> http.server.ThreadingHTTPServer:
    """Return a server of ``files`` by path on 127.0.0.1; ``serve_forever`` runs it.

    Args:
        port: the port; None takes the first free one from 8000 on.

    Raises:
        InputError: the port is taken or not permitted, or none of 50 ports is free.
    """
    handler = _handler(files)
    for candidate in (port,) if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS):
        try:
            return _Server((HOST, candidate), handler)
        except (OSError, OverflowError) as error:
            if port is not None:
                reason = "must be from 0 to 65535" if isinstance(error, OverflowError) else error.strerror
                raise InputError(
                    f"port {port} cannot be used ({reason}); choose another with --port, or leave it out"
                ) from None
    raise InputError(f"no port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} is free; choose one with --port")


class _Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = False  # a second program on the same port is an error, not a race
    daemon_threads = True


def _handler(files: Mapping[str, bytes]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
            data = files.get(name)
            if data is None:
                self.send_error(404)
                return
            kind = "application/gzip" if name.endswith(".gz") else mimetypes.guess_type(name)[0]
            self.send_response(200)
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler
