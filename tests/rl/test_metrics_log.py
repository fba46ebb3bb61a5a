import io
import json
import math

import pytest

from mimic.rl.curve import draw_learning_curve
from mimic.rl.metrics_log import MetricsLog, read_rows
from mimic.rl.progress import BarProgress, describe, make_progress


def _row(iteration: int, **more: float) -> dict:
    return {"iteration": iteration, "samples": 100 * iteration, **more}


def _write(folder, rows, keep_through=-1):
    log = MetricsLog(folder, keep_through, tensorboard=False)
    for row in rows:
        log.write(row)
    log.close()


def test_rows_come_back_and_non_numbers_are_null(tmp_path):
    _write(tmp_path, [_row(1, kl=0.5), _row(2, kl=math.nan, loss=math.inf)])
    assert read_rows(tmp_path / "metrics.jsonl") == [_row(1, kl=0.5), _row(2, kl=None, loss=None)]


@pytest.mark.parametrize("keep, rest", [(-1, []), (0, []), (2, [1, 2]), (9, [1, 2, 3])])
def test_reopening_cuts_off_what_the_checkpoint_does_not_know(tmp_path, keep, rest):
    _write(tmp_path, [_row(i) for i in (1, 2, 3)])
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"iteration": 4, "sam')  # killed in the middle of a line
    _write(tmp_path, [_row(7)], keep_through=keep)
    assert [r["iteration"] for r in read_rows(tmp_path / "metrics.jsonl")] == [*rest, 7]


@pytest.mark.parametrize(
    "junk", [b"\x00\xff\n", b"[1]\n", b'{"iteration": "1", "samples": 2}\n', b"[" * 100_000 + b"\n"]
)
def test_a_broken_line_ends_the_file(tmp_path, junk):
    _write(tmp_path, [_row(1)])
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(junk + (json.dumps(_row(2)) + "\n").encode())
    assert read_rows(tmp_path / "metrics.jsonl") == [_row(1)]


def test_a_full_disk_is_said_and_no_row_is_lost(tmp_path):
    said = []
    log = MetricsLog(tmp_path, tensorboard=False, say=said.append)
    log.write(_row(1))
    whole = log._file

    class Full:
        def seek(self, *args):
            return whole.seek(*args)

        def write(self, data):
            whole.write(data[:5])
            raise OSError(28, "No space left on device")

    log._file = Full()
    log.write(_row(2))
    log.write(_row(3))
    log._file = whole
    log.write(_row(4))
    log.close()
    assert read_rows(tmp_path / "metrics.jsonl") == [_row(i) for i in (1, 2, 3, 4)]
    assert len(said) == 1 and "No space left" in said[0]


def test_tensorboard_on_a_full_disk_is_given_up_with_one_line(tmp_path, capfd):
    """Its thread ends at the first error, and every later write raises that error."""
    pytest.importorskip("tensorboard")
    said = []
    log = MetricsLog(tmp_path, say=said.append)
    writer = log._board._get_file_writer().event_writer._async_writer._writer
    writer.write = Full.write
    for iteration in range(1, 30):
        log.write(_row(iteration, kl=0.5))
    log.close()
    assert len(read_rows(tmp_path / "metrics.jsonl")) == 29
    assert len(said) == 1 and "tensorboard" in said[0] and "Traceback" not in capfd.readouterr().err


class Full:
    @staticmethod
    def write(data):
        raise OSError(28, "No space left on device")


def test_a_terminal_that_has_gone_does_not_end_a_run():
    class Gone(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

    progress = make_progress(Gone())
    progress.show({"samples": 1.0, "eval/return": 2.0}, 0.5, 1.0)
    progress.say("a line")
    progress.close()


def test_tensorboard_files_appear(tmp_path):
    pytest.importorskip("tensorboard")
    log = MetricsLog(tmp_path)
    log.write(_row(1, kl=0.5))
    log.close()
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_a_missing_tensorboard_is_tolerated(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    said = []
    log = MetricsLog(tmp_path, say=said.append)
    log.write(_row(1))
    log.close()
    assert "tensorboard is not installed" in said[0]


def test_curve_is_a_picture_of_evaluations_else_of_training(tmp_path):
    assert not draw_learning_curve(tmp_path / "none.jsonl", tmp_path / "c.png")
    _write(tmp_path, [_row(1, episode_return=3.0), _row(2, episode_return=4.0)])
    assert draw_learning_curve(tmp_path / "metrics.jsonl", tmp_path / "a.png")
    _write(tmp_path, [_row(1, **{"eval/normalized_return": 0.1, "eval/survival": 0.2})])
    assert draw_learning_curve(tmp_path / "metrics.jsonl", tmp_path / "b.png")
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("a.png", "b.png"))
    assert not list(tmp_path.glob("*.tmp*"))


def test_one_line_says_it_all():
    row = {"samples": 1.5e6, "samples_per_s": 3500.0, "episode_return": 12.34}
    judged = row | {"eval/normalized_return": 0.25, "eval/survival": 0.5}
    told = "1.50 M samples  3500/s  return 12.3  normalised return 0.250  survival 50 %  10 min to go"
    assert describe(judged, 600.0) == told
    assert describe({"samples": 0.0}, math.inf) == "0.00 M samples"
    assert "to go" not in describe(row, math.inf)


def test_plain_lines_are_few_but_every_evaluation_is_shown():
    stream = io.StringIO()
    progress = make_progress(stream)
    for index in range(50):
        progress.show({"samples": float(index)}, 0.5, math.inf)
    progress.show({"samples": 50.0, "eval/normalized_return": 0.5}, 0.5, math.inf)
    progress.close()
    assert len(stream.getvalue().splitlines()) == 2


def test_bar_keeps_messages():
    stream = io.StringIO()
    progress = BarProgress(stream)
    progress.show({"samples": 1.0}, 0.5, 10.0)
    progress.say("[not markup] a message")
    progress.close()
    assert "[not markup] a message" in stream.getvalue()
