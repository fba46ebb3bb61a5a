"""Downloads one small file whose sha256 is known beforehand.

Every request uses https, redirects included, and at most ``MAX_BYTES`` are read. A download that stalls or is too slow
is given up. The file appears under its name only with the right sha256, even if the process is killed. The bytes of an
interrupted download stay in a hidden ``.part`` file, and the next try requests the rest.
"""

import hashlib
import http.client
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.error import HTTPError, URLError

from mimic.core.errors import InputError
from mimic.core.printing import show

MAX_BYTES = 16_000_000
_TIMEOUT_S = 30.0  # for the connection, and for any one read
_DEADLINE_S = 120.0  # for the whole file
_CHUNK = 65536


class Response(Protocol):
    """The part of an open connection that ``fetch`` uses."""

    def read(self, amount: int, /) -> bytes:
        """Return at most ``amount`` more bytes, and no bytes at the end."""

    def geturl(self) -> str:
        """Return the address after all redirects."""

    @property
    def status(self) -> int:
        """The HTTP status: 206 if the bytes begin at the requested offset, 200 if they begin at the file's start."""


Opener = Callable[[str, float, int], AbstractContextManager[Response]]


class HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request that follows the redirect. Raises URLError if the new address is not https."""
        if not newurl.lower().startswith("https://"):
            raise URLError(f"redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(url: str, timeout_s: float, start: int = 0) -> AbstractContextManager[Response]:
    """Open an https address with certificates verified, from byte ``start`` on if the server supports ranges."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    opened: AbstractContextManager[Response] = urllib.request.build_opener(HttpsRedirects).open(
        request, timeout=timeout_s
    )
    return opened


def fetch(
    url: str, sha256: str, target: Path, opener: Opener = open_https, tries: int = 3, pause_s: float = 1.0
) -> None:
    """Download ``url`` to ``target`` if its bytes have the hexadecimal ``sha256``.

    ``opener`` opens the address. After a failure the download is tried again, ``pause_s`` [s] later, up to ``tries`` times
    in all. Raises InputError with the last reason if every try failed.
    """
    if not url.startswith("https://"):
        raise InputError(f"cannot download {url}: only https addresses are fetched")
    part = target.with_name(f".{target.name}.{sha256[:16]}.part")
    reason = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(pause_s)
        try:
            _download(url, part, opener)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, HTTPError) and error.code == 416:  # the part is no beginning of what is there
                part.unlink(missing_ok=True)
            continue
        data = _read(part)
        found = hashlib.sha256(data).hexdigest()
        if found == sha256:
            _publish(part, target)
            return
        part.unlink(missing_ok=True)
        reason = f"its sha256 is {found[:16]}..., expected {sha256[:16]}... ({len(data)} bytes)"
    raise InputError(f"cannot download {url}: {reason}")


@cache  # once a process and licence, however many of its clips are fetched
def show_licence(licence: str) -> None:
    """Print the licence of downloaded clips on stderr, each licence once."""
    show(f"licence of the downloaded clips: {licence}", sys.stderr)


def _download(url: str, part: Path, opener: Opener) -> None:
    """Append the bytes at ``url`` to ``part``, from its present size on.

    Raises OSError if the connection fails, InputError if the file cannot be written.
    """
    deadline = time.monotonic() + _DEADLINE_S
    size = _size(part)
    with opener(url, _TIMEOUT_S, size) as response, _open(part, append=response.status == 206 and size > 0) as file:
        if not response.geturl().startswith("https://"):
            raise OSError(f"redirected to {response.geturl()}, which is not https")
        size = file.tell()
        while chunk := response.read(_CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                file.truncate(0)
                raise OSError(f"the file is larger than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise OSError(f"the download did not finish within {_DEADLINE_S:g} s")
            _write(file, chunk, part)


def _size(part: Path) -> int:
    try:
        return min(part.stat().st_size, MAX_BYTES)
    except OSError:
        return 0


def _read(part: Path) -> bytes:
    try:
        return part.read_bytes()
    except OSError as error:
        raise _cannot_write(part, error) from None


def _open(part: Path, append: bool) -> IO[bytes]:
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        return part.open("ab" if append else "wb")
    except OSError as error:
        raise _cannot_write(part, error) from None


def _write(file: IO[bytes], chunk: bytes, part: Path) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise _cannot_write(part, error) from None


def _publish(part: Path, target: Path) -> None:
    """Write ``part`` to the disk with fsync and rename it to ``target``, which is therefore never incomplete."""
    try:
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        raise _cannot_write(target, error) from None


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path}: {error}; set MIMIC_CACHE to a folder that can be written")
