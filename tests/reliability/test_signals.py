"""Ctrl-C once: the iteration is finished and saved. Twice: it stops at once. Either way nothing is lost."""

import signal
import time
from dataclasses import replace

import pytest

from mimic.core import checkpoint
from tests.reliability.runs import Recipe, assert_same_end, end_state, rows, saved

RECIPE = Recipe("walk", "ppo", iterations=6, steps=16)
LONG = Recipe("walk", "ppo", iterations=2, steps=100)  # an iteration takes so long that two signals fall into one


def assert_clean(out, ended, code):
    """It left with ``code``, said no more than it should, and left neither halves nor damage behind."""
    assert ended.code == code, ended.output
    assert "Traceback" not in ended.output and "Error" not in ended.output
    assert not list(out.glob("ckpt/.*"))
    assert [checkpoint.load(out / "ckpt" / f"{step:09d}").step for step in saved(out)] == saved(out)


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_stopped_by_a_signal_resumes_to_the_same_end(commands, undisturbed, tmp_path, number, code):
    expected, out = end_state(undisturbed(RECIPE)), tmp_path / "run"
    running = commands.start(RECIPE.train(out))
    running.wait_until(lambda: bool(saved(out)))
    done = rows(out)[-1]["iteration"]
    running.send(number)
    ended = running.wait()
    assert_clean(out, ended, code)
    assert "finishing the iteration, then saving" in ended.output
    reached = rows(out)[-1]["iteration"]
    # the iteration under way is finished; one more may have begun between our look at the log and the signal
    assert done <= reached <= done + 2 < RECIPE.iterations
    assert saved(out)[-1] == reached
    ended = commands.run(RECIPE.resume(out))
    assert ended.code == 0, ended.output
    assert_same_end(end_state(out), expected)


def test_two_signals_stop_within_the_iteration(commands, undisturbed, tmp_path):
    expected, out = end_state(undisturbed(LONG)), tmp_path / "run"
    running = commands.start(LONG.train(out))
    running.wait_until(lambda: bool(saved(out)))
    running.send(signal.SIGINT)
    running.send(signal.SIGTERM)  # of one number, two signals in a row may be delivered as one
    assert_clean(out, running.wait(), 130)
    assert [row["iteration"] for row in rows(out)] == [0, 1]
    assert saved(out) == [1]
    ended = commands.run(LONG.resume(out))
    assert ended.code == 0, ended.output
    assert_same_end(end_state(out), expected)


def test_a_signal_at_any_moment_ends_the_run_cleanly(commands, undisturbed, tmp_path):
    """Libraries that are being set up lose an exception, or turn it into another: so none is raised there."""
    undisturbed(RECIPE)  # for its skip
    long = replace(RECIPE, iterations=500)  # far more than it gets to, and an end to it if the signal were lost
    for index in range(8):
        out = tmp_path / str(index)
        running = commands.start(long.train(out))
        running.wait_until(lambda run=running: "training" in run.log.read_text(encoding="utf-8"))
        time.sleep(index * 0.005 if index < 4 else index * 0.05)
        running.send(signal.SIGINT)
        assert_clean(out, running.wait(), 130)
