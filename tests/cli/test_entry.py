"""Signals to a process of the program: cleaned up, one line, the shell's exit code."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mimic.cli.entry import Stopped, signals_end_the_program
from mimic.rendering.video import VideoWriter
from tests.sources import ROOT

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def handlers():
    """Puts the handlers of the test's process back, which the program leaves set."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_film_stopped_by_a_signal_leaves_neither_ffmpeg_nor_a_part(handlers, tmp_path, number):
    (tmp_path / "film.mp4").write_bytes(b"an earlier film")
    with (
        pytest.raises(Stopped) as stopped,
        signals_end_the_program(),
        VideoWriter(tmp_path / "film.mp4", (64, 64)) as film,
    ):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # at once again: the first is being obeyed
    assert stopped.value.exit_code == 128 + number and film._ffmpeg.returncode is not None
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_bytes() == b"an earlier film"


@pytest.mark.parametrize("moment", ["import swallows", "os.kill(os.getpid(), 15)"])
def test_a_film_that_a_signal_meets_outside_its_block_leaves_nothing_either(tmp_path, moment):
    """In an import the process ends at once; after the constructor the ``with`` block has not begun."""
    (tmp_path / "swallows.py").write_text("import os\nos.kill(os.getpid(), 15)\n")
    (tmp_path / "film").mkdir()
    script = f"""
        import os, signal, sys
        sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]
        from pathlib import Path
        from mimic.cli.entry import Stopped, signals_end_the_program
        from mimic.rendering.video import VideoWriter
        for number in (1, 2, 15):
            signal.signal(number, signal.SIG_DFL)
        try:
            with signals_end_the_program():
                film = VideoWriter(Path({str(tmp_path / "film/walk.mp4")!r}), (64, 64))
                print(film._ffmpeg.pid, flush=True)
                {moment}
        except Stopped as stopped:
            os._exit(stopped.exit_code)
        """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert ended.returncode == 143, ended.stderr
    assert not list((tmp_path / "film").iterdir())
    assert _ended(int(ended.stdout))


def _ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie that nobody has asked for yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_signal_that_the_process_was_told_to_ignore_is_ignored(handlers):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    with signals_end_the_program():
        os.kill(os.getpid(), signal.SIGHUP)


@pytest.mark.parametrize("where", ["in an import", "at the end"])
def test_while_an_exception_would_be_lost_the_process_ends_at_once(tmp_path, where):
    """A library that is being imported swallows it, and Python prints it when it is taken down."""
    (tmp_path / "swallows.py").write_text(
        "import os\ntry:\n    os.kill(os.getpid(), 15)\nexcept BaseException:\n    pass\n"
    )
    script = f"""
        import atexit, os, signal, sys
        sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]
        for number in (1, 2, 15):
            signal.signal(number, signal.SIG_DFL)
        from mimic.cli.entry import signals_end_the_program
        with signals_end_the_program():
            if {where == "in an import"}:
                import swallows
        atexit.register(os.kill, os.getpid(), 15)
        """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (143, "mimic: stopped\n")
