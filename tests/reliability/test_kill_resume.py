"""kill -9 at random moments, resume each time: in the end nothing tells the run from one that nobody disturbed."""

import random
import signal
import time
from dataclasses import replace

import pytest

from mimic.core import checkpoint
from tests.motion_samples import clip_or_skip
from tests.reliability.runs import Recipe, assert_same_end, end_state, rows, saved

# So small a run only gets worse. With the error taken for a score there is a new best now and then, to be kept.
SCORE = "trainer.best_metric=mpjpe_m"
AWR = Recipe("cartwheel", "awr", iterations=20, settings=("trainer.ema_decay=0.5", SCORE))
PPO = Recipe("walk", "ppo", iterations=16, settings=(SCORE,))
DOG = Recipe("trot", "awr", iterations=8, settings=("awr.update.control_variate=true",))
LONGEST_WAIT_S = 0.25  # of a random moment: some iterations, or half of a start
ENDLESS = 10**6  # iterations: a run that is killed must not end by itself


def kill_and_resume(commands, recipe, out, kills, seed):
    """Train in ``out``, killed ``kills`` times, each after 0 to 2 more checkpoints and a random moment.

    Then it goes on for two more iterations. Returns the recipe for as many iterations as that makes.
    """
    moment, endless = random.Random(seed), replace(recipe, iterations=ENDLESS)
    for _ in range(kills):
        before = saved(out)
        goal = (before or [0])[-1] + moment.randrange(3)
        running = commands.start(endless.begin_or_resume(out))
        if goal:
            running.wait_until(lambda goal=goal: (saved(out) or [0])[-1] >= goal)
        time.sleep(moment.uniform(0.0, LONGEST_WAIT_S))
        running.send(signal.SIGKILL)
        ended = running.wait()
        assert ended.code == -signal.SIGKILL, ended.output
        assert "Traceback" not in ended.output
        left = saved(out)
        assert left[-1:] >= before[-1:]
        assert [checkpoint.load(out / "ckpt" / f"{step:09d}").step for step in left] == left
    finish = replace(recipe, iterations=(saved(out) or [0])[-1] + 2)
    ended = commands.run(finish.resume(out))
    assert ended.code == 0, ended.output
    return finish


@pytest.mark.parametrize("recipe", [PPO, DOG], ids=lambda recipe: f"{recipe.algorithm}-{recipe.clip}")
def test_a_run_killed_five_times_resumes_to_the_same_bits(commands, undisturbed, tmp_path, recipe):
    clip_or_skip(recipe.clip)
    out = tmp_path / "run"
    same = kill_and_resume(commands, recipe, out, kills=5, seed=1)
    assert_same_end(end_state(out), end_state(undisturbed(same)))


@pytest.mark.slow
def test_a_run_killed_twenty_times_resumes_to_the_same_bits(commands, undisturbed, tmp_path):
    clip_or_skip(AWR.clip)
    out = tmp_path / "run"
    same = kill_and_resume(commands, AWR, out, kills=20, seed=2)
    assert_same_end(end_state(out), end_state(undisturbed(same)))


def test_the_undisturbed_run_learns_and_is_evaluated(undisturbed):
    """Equality would mean little if nothing happened: networks move, episodes end, a best checkpoint is kept."""
    out = undisturbed(PPO)
    *log, last = rows(out)
    state = end_state(out)
    assert last["last"] == 1 and last["iteration"] == PPO.iterations, "the policy it ends with is judged"
    assert [row["iteration"] for row in log] == list(range(PPO.iterations + 1))
    assert sum(row.get("ends/fail", 0) for row in log) > 0
    assert all(row["kl"] > 0 for row in log[2:])
    assert sum("eval/normalized_return" in row for row in log) == 4
    assert len({row.get("eval/normalized_return") for row in log[::5]}) == 4
    assert state["best"] is not None and state["steps"][-3:] == [14, 15, 16]


def test_a_run_killed_before_its_first_checkpoint_starts_from_scratch(commands, undisturbed, tmp_path):
    expected, out = end_state(undisturbed(PPO)), tmp_path / "run"
    for again in (PPO.train, PPO.train):  # the same command twice is not an error while there is nothing to lose
        running = commands.start(again(out))
        running.wait_until((out / "config.json").exists)
        running.send(signal.SIGKILL)
        running.wait()
        assert not saved(out)
    ended = commands.run(PPO.resume(out))
    assert ended.code == 0 and "starts from scratch" in ended.output
    assert_same_end(end_state(out), expected)


def test_training_into_a_folder_with_checkpoints_is_refused(commands, undisturbed):
    out = undisturbed(PPO)
    before = end_state(out)
    ended = commands.run(PPO.train(out))
    assert ended.code == 2 and "--resume" in ended.output
    assert_same_end(end_state(out), before)
