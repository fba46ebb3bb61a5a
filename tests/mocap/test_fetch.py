"""Downloads that go wrong in every way leave nothing under the file's name, and say why in one line."""

import hashlib
import http.client
import os
import signal
import subprocess
import sys
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Self
from urllib.error import HTTPError, URLError

import pytest

from mimic.core.errors import InputError
from mocap import fetch as fetch_module
from mocap.fetch import HttpsRedirects, fetch

URL = "https://example.org/clip.txt"
GOOD = b"[0.1, 0.2]\n" * 20_000
SHA256 = hashlib.sha256(GOOD).hexdigest()


class Server:
    """Stands in for the network: serves each item in turn, bytes as content and exceptions as they are."""

    def __init__(self, *items: object, url: str = URL):
        self.items, self.url, self.requests, self.status = list(items), url, 0, 200
        self.starts: list[int] = []

    def __call__(self, url: str, timeout_s: float, start: int) -> "Server":
        assert timeout_s == 30.0
        self.requests += 1
        self.starts.append(start)
        self.item = self.items.pop(0) if len(self.items) > 1 else self.items[0]
        if isinstance(self.item, URLError):
            raise self.item
        self.rest = iter(self.item if isinstance(self.item, list) else [self.item])
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def geturl(self) -> str:
        return self.url

    def read(self, amount: int) -> bytes:
        piece = next(self.rest, b"")
        if isinstance(piece, BaseException):
            raise piece
        return piece


def endless():
    while True:
        yield b"\0" * 1_000_000


class Endless(Server):
    def __call__(self, url: str, timeout_s: float, start: int) -> Server:
        self.requests += 1
        self.rest = endless()
        return self


NOT_FOUND = HTTPError(URL, 404, "Not Found", Message(), None)


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        (Server(GOOD[:-1]), "its sha256 is"),
        (Server(GOOD[:-1] + b"X"), "its sha256 is"),
        (Server(b"<html>Rate limit exceeded</html>"), r"its sha256 is .* \(32 bytes\)"),
        (Server(b""), r"\(0 bytes\)"),
        (Server([GOOD[:9], TimeoutError("timed out")]), "timed out"),
        (Server([GOOD[:9], ConnectionResetError("reset by peer")]), "reset by peer"),
        (Server([GOOD[:9], http.client.IncompleteRead(b"", 99)]), "IncompleteRead"),
        (Server(NOT_FOUND), "404"),
        (Server(URLError("no route to host")), "no route to host"),
        (Server(GOOD, url="http://example.org/clip.txt"), "not https"),
        (Endless(b""), "larger than 16000000 bytes"),
    ],
    ids=[
        "truncated",
        "altered",
        "error page",
        "empty",
        "stall",
        "reset",
        "short",
        "404",
        "offline",
        "http",
        "endless",
    ],
)
def test_bad_downloads_are_refused(server, complaint, tmp_path):
    target = tmp_path / "cache" / "clip.txt"
    with pytest.raises(InputError, match=complaint):
        fetch(URL, SHA256, target, server, pause_s=0)
    assert server.requests == 3
    assert not target.exists()
    left = list(tmp_path.rglob("*.part"))
    assert all(path.read_bytes() == GOOD[: path.stat().st_size] for path in left)  # a beginning, or nothing


def test_good_bytes_arrive_at_the_third_try(tmp_path):
    server = Server(URLError("offline"), GOOD[:5], [GOOD[:70_000], GOOD[70_000:]])
    fetch(URL, SHA256, tmp_path / "a" / "clip.txt", server, pause_s=0)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["clip.txt"]
    assert (tmp_path / "a" / "clip.txt").read_bytes() == GOOD


class Resuming(Server):
    """A server that goes on where it is asked to, and hangs up after so many bytes."""

    def __init__(self, content: bytes, hang_up_after: int):
        super().__init__(content)
        self.content, self.hang_up_after = content, hang_up_after

    def __call__(self, url: str, timeout_s: float, start: int) -> Server:
        super().__call__(url, timeout_s, start)
        if start >= len(self.content):
            raise HTTPError(url, 416, "Range Not Satisfiable", Message(), None)
        self.status = 206 if start else 200
        piece = self.content[start : start + self.hang_up_after]
        broken: list[object] = [] if start + len(piece) == len(self.content) else [ConnectionResetError("reset")]
        self.rest = iter([piece, *broken])
        return self


def test_a_broken_download_goes_on_where_it_stopped(tmp_path):
    server = Resuming(GOOD, 90_000)
    fetch(URL, SHA256, tmp_path / "clip.txt", server, pause_s=0)
    assert server.starts == [0, 90_000, 180_000]
    assert [path.name for path in tmp_path.iterdir()] == ["clip.txt"]


def test_the_next_process_goes_on_too(tmp_path):
    with pytest.raises(InputError, match="reset"):
        fetch(URL, SHA256, tmp_path / "clip.txt", Resuming(GOOD, 50_000), pause_s=0)
    assert not (tmp_path / "clip.txt").exists()
    server = Resuming(GOOD, 90_000)
    fetch(URL, SHA256, tmp_path / "clip.txt", server, pause_s=0)
    assert server.starts == [150_000]
    assert (tmp_path / "clip.txt").read_bytes() == GOOD


@pytest.mark.parametrize("rubbish", [b"rubbish", b"x" * (len(GOOD) + 5), GOOD])
def test_a_part_that_is_no_beginning_is_thrown_away(tmp_path, rubbish):
    (tmp_path / f".clip.txt.{SHA256[:16]}.part").write_bytes(rubbish)
    fetch(URL, SHA256, tmp_path / "clip.txt", Resuming(GOOD, 10**9), pause_s=0)
    assert (tmp_path / "clip.txt").read_bytes() == GOOD


def test_a_server_that_cannot_resume_starts_over(tmp_path):
    (tmp_path / f".clip.txt.{SHA256[:16]}.part").write_bytes(GOOD[:999])
    fetch(URL, SHA256, tmp_path / "clip.txt", Server(GOOD), pause_s=0)
    assert (tmp_path / "clip.txt").read_bytes() == GOOD


def test_a_failed_download_leaves_an_older_file_alone(tmp_path):
    target = tmp_path / "clip.txt"
    target.write_bytes(b"old")
    with pytest.raises(InputError):
        fetch(URL, SHA256, target, Server(b"bad"), pause_s=0)
    assert target.read_bytes() == b"old"
    fetch(URL, SHA256, target, Server(GOOD), pause_s=0)
    assert target.read_bytes() == GOOD


def test_dribbling_servers_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_module, "_DEADLINE_S", -1.0)
    with pytest.raises(InputError, match="did not finish within"):
        fetch(URL, SHA256, tmp_path / "clip.txt", Server([b"x", b"y"]), pause_s=0)


def test_only_https_is_asked(tmp_path):
    server = Server(GOOD)
    for url in ("http://example.org/clip.txt", "file:///etc/passwd", "ftp://example.org/clip.txt"):
        with pytest.raises(InputError, match="only https"):
            fetch(url, SHA256, tmp_path / "clip.txt", server, pause_s=0)
    assert server.requests == 0


def test_redirects_stay_on_https():
    request, headers = urllib.request.Request(URL), Message()
    for url in ("http://example.org/clip.txt", "ftp://example.org/x", "file:///etc/passwd"):
        with pytest.raises(URLError, match="not https"):
            HttpsRedirects().redirect_request(request, None, 302, "Found", headers, url)
    followed = HttpsRedirects().redirect_request(request, None, 302, "Found", headers, "https://example.org/other")
    assert followed is not None and followed.full_url == "https://example.org/other"


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot write .* set MIMIC_CACHE"):
        fetch(URL, SHA256, tmp_path / "file" / "clip.txt", Server(GOOD), pause_s=0)


def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match="No space left"):
        fetch(URL, SHA256, tmp_path / "clip.txt", Server(GOOD), pause_s=0)
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        fetch(URL, SHA256, tmp_path / "clip.txt", Server(GOOD), pause_s=0)
    assert not (tmp_path / "clip.txt").exists()


def test_killed_half_way_leaves_nothing_under_the_name(tmp_path):
    """SIGKILL while the file is being written: no cleaning up runs, and still the name does not exist."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from mocap import fetch; from tests.mocap import test_fetch as t\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "fetch.fetch(t.URL, t.SHA256, Path(sys.argv[1]) / 'clip.txt', t.Server(t.GOOD))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2], timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "clip.txt").exists()
    fetch(URL, SHA256, tmp_path / "clip.txt", Server(GOOD), pause_s=0)
    assert (tmp_path / "clip.txt").read_bytes() == GOOD
