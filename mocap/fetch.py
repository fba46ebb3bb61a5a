"""Download of one small file whose content is known beforehand.

Promises: https from end to end, redirects included; at most ``MAX_BYTES`` are read; a server that stalls or dribbles is
given up; nothing is found under the file's name unless its sha256 is the expected one, whenever the process may die.
"""

import hashlib
import http.client
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.error import URLError

from characters.errors import InputError

MAX_BYTES = 16_000_000
_TIMEOUT_S = 30.0  # for the connection, and for any one read
_DEADLINE_S = 120.0  # for the whole file
_CHUNK = 65536


class Response(Protocol):
    """What is needed of an open connection."""

    def read(self, amount: int, /) -> bytes:
        """At most ``amount`` more bytes; none at the end."""

    def geturl(self) -> str:
        """Where it led in the end."""


Opener = Callable[[str, float], AbstractContextManager[Response]]


class HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The request to follow. Raises URLError where it is not https."""
        if not newurl.lower().startswith("https://"):
            raise URLError(f"redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(url: str, timeout_s: float) -> AbstractContextManager[Response]:
    """Open an https address with certificates verified."""
    opened: AbstractContextManager[Response] = urllib.request.build_opener(HttpsRedirects).open(url, timeout=timeout_s)
    return opened


def fetch(
    url: str, sha256: str, target: Path, opener: Opener = open_https, tries: int = 3, pause_s: float = 1.0
) -> None:
    """Download ``url`` to ``target`` if its bytes have the hexadecimal ``sha256``.

    Raises InputError with the last reason when all tries have failed.
    """
    if not url.startswith("https://"):
        raise InputError(f"cannot download {url}: only https addresses are fetched")
    reason = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(pause_s)
        try:
            data = _download(url, opener)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            continue
        found = hashlib.sha256(data).hexdigest()
        if found == sha256:
            _publish(data, target)
            return
        reason = f"its sha256 is {found[:16]}..., expected {sha256[:16]}... ({len(data)} bytes)"
    raise InputError(f"cannot download {url}: {reason}")


@cache  # once a process and licence, however many of its clips are fetched
def show_licence(licence: str) -> None:
    """Say on stderr under which terms a download comes."""
    print(f"licence of the downloaded clips: {licence}", file=sys.stderr)


def _download(url: str, opener: Opener) -> bytes:
    """The bytes at ``url``. Raises OSError for whatever is wrong with them before their content."""
    deadline = time.monotonic() + _DEADLINE_S
    chunks, size = [], 0
    with opener(url, _TIMEOUT_S) as response:
        if not response.geturl().startswith("https://"):
            raise OSError(f"led to {response.geturl()}, which is not https")
        while chunk := response.read(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise OSError(f"larger than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise OSError(f"not finished after {_DEADLINE_S:g} s")
    return b"".join(chunks)


def _publish(data: bytes, target: Path) -> None:
    """Write beside the target and rename, so that the name never shows half a file. Raises InputError."""
    part = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
        part = None
    except OSError as error:
        raise InputError(f"cannot write {target}: {error}; set MIMIC_CACHE to a folder that can be written") from None
    finally:
        if part:
            os.unlink(part)
