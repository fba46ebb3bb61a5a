import dataclasses
import json
import os
import signal
import threading

import pytest
import torch

from mimic.core import checkpoint
from mimic.core.errors import CheckpointError, ConfigError
from mimic.rl.metrics_log import TIMING_KEYS, read_rows
from mimic.rl.optim import LearnerDiverged
from mimic.rl.policy import load_policy
from mimic.rl.rollout import RolloutConfig
from mimic.rl.signals import StopOnSignal
from mimic.rl.trainer import TrainerConfig

ITERATION = 16 * 32
SHORT = RolloutConfig(steps=8, replay_iterations=2, std_start=0.4, std_end=0.2, std_samples=2000)
TINY = {"actor_passes": 1, "critic_passes": 1}


def _rows(trainer):
    return [{k: v for k, v in row.items() if k not in TIMING_KEYS} for row in read_rows(trainer.out / "metrics.jsonl")]


def _same(one, two) -> bool:
    a, b = one.state.tensors(), two.state.tensors()
    assert a.keys() == b.keys()
    for group in a:
        assert a[group].keys() == b[group].keys()
    return all(torch.equal(t, b[group][name]) for group, named in a.items() for name, t in named.items())


def test_twins_are_identical_and_another_seed_is_not(make_trainer):
    runs = [
        make_trainer("awr", out=name, seed=seed, samples=4 * ITERATION, evaluate_every=ITERATION)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    for run in runs:
        run.train()
    assert _same(runs[0], runs[1])
    assert _rows(runs[0]) == _rows(runs[1])
    assert not _same(runs[0], runs[2])


@pytest.mark.parametrize(
    "algorithm, learner, settings",
    [
        ("awr", {}, {}),
        ("awr", {"optimizer": "sgd", "control_variate": True}, {"ema_decay": 0.5}),
        ("ppo", {}, {"ema_decay": 0.5}),
        (
            "awr",
            {"control_variate": True, "anchor": "current", "precision": "bfloat16"},
            {"rollout": {"overlap": True, "std_samples": 0, "std_episode_steps": 20}},
        ),
    ],
)
def test_split_anywhere_equals_one_run(make_trainer, algorithm, learner, settings):
    total, iteration = 6, 8 * 32
    settings = dict(settings)
    rollout = dataclasses.replace(SHORT, **settings.pop("rollout", {}))

    def run(out, stops, **more):
        for index, stop in enumerate(stops):
            trainer = make_trainer(
                algorithm,
                out=out,
                learner={**TINY, **learner},
                rollout=rollout,
                samples=stop * iteration,
                evaluate_every=3 * iteration,
                **settings,
                **more,
            )
            if index:
                # Nothing of the new trainer may matter but its settings.
                trainer.state.env.reset()
                trainer.resume()
            trainer.train()
        return trainer

    whole = run("whole", [total])
    for k in range(1, total):
        parts = run(f"split{k}", [k, total])
        assert _same(whole, parts), k
        assert _rows(whole) == _rows(parts), k
        ours, theirs = vars(parts.state.counters), vars(whole.state.counters)
        assert {k: v for k, v in ours.items() if k != "seconds"} == {k: v for k, v in theirs.items() if k != "seconds"}


def test_evaluations_come_when_due_and_the_best_is_kept(make_trainer):
    trainer = make_trainer("ppo", samples=6 * ITERATION, evaluate_every=2 * ITERATION, keep_checkpoints=1)
    scores = iter([0.5, 0.7, 0.6, 0.4])
    judged = []

    def evaluate(policy):
        judged.append(policy)
        return {"normalized_return": next(scores)}

    trainer.evaluate = evaluate
    result = trainer.train()
    rows = [r for r in read_rows(trainer.out / "metrics.jsonl") if "eval/normalized_return" in r]
    assert [(r["iteration"], r["eval/normalized_return"]) for r in rows] == [
        (0, 0.5),
        (2, 0.7),
        (4, 0.6),
        (6, 0.4),
    ]
    assert judged[0] is trainer.learner.policy
    assert result.best is not None and result.best.name == "000000002"
    assert checkpoint.steps(trainer.root) == [2, 6]
    assert result.stopped_by == "samples" and result.iterations == 6
    assert (trainer.out / "learning_curve.png").is_file()


def test_the_last_policy_is_judged_too_and_resuming_forgets_that_it_was(make_trainer):
    def scores(run):
        return [
            (r["iteration"], r["eval/normalized_return"])
            for r in read_rows(run.out / "metrics.jsonl")
            if "eval/normalized_return" in r
        ]

    def run(**limits):
        trainer = make_trainer("ppo", evaluate_every=2 * ITERATION, **limits)
        trainer.evaluate = lambda policy: {"normalized_return": trainer.state.counters.iteration / 10}
        return trainer

    short = run(samples=3 * ITERATION)
    result = short.train()
    assert scores(short) == [(0, 0.0), (2, 0.2), (3, 0.3)]
    assert result.best == result.checkpoint and result.best.name == "000000003"
    longer = run(samples=4 * ITERATION)
    longer.resume()
    assert longer.train().best.name == "000000004"
    assert scores(longer) == [(0, 0.0), (2, 0.2), (4, 0.4)]


def test_who_stops_the_last_evaluation_loses_nothing_but_its_score(make_trainer):
    trainer = make_trainer("ppo", samples=3 * ITERATION, evaluate_every=2 * ITERATION)

    def evaluate(policy):
        if trainer.state.counters.iteration == 3:
            raise KeyboardInterrupt
        return {"normalized_return": 0.5}

    trainer.evaluate = evaluate
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert checkpoint.latest(trainer.root).step == 3


def test_an_evaluation_without_the_metric_is_a_clear_error(make_trainer):
    trainer = make_trainer("ppo", samples=ITERATION, evaluate_every=ITERATION, best_metric="survivel")
    with pytest.raises(ConfigError, match="did you mean 'survival'"):
        trainer.train()


def test_the_checkpoint_is_a_controller_that_acts_as_the_judged_policy(make_trainer):
    trainer = make_trainer("awr", samples=3 * ITERATION, ema_decay=0.9)
    result = trainer.train()
    controller = checkpoint.read_controller(result.checkpoint)
    assert controller.spec["toy"] is True
    policy = load_policy(controller.policy, controller.spec["policy"])
    obs = torch.randn(1000, 6)
    assert torch.equal(policy.mean(obs), trainer.state.eval_policy.mean(obs))
    assert not torch.equal(policy.mean(obs), trainer.learner.policy.mean(obs))


def test_a_folder_with_a_run_is_not_written_over(make_trainer):
    make_trainer("ppo", samples=ITERATION).train()
    with pytest.raises(CheckpointError, match="resume it, or choose another"):
        make_trainer("ppo", samples=ITERATION).train()


def test_resume_falls_back_and_says_so_and_names_other_settings(make_trainer):
    make_trainer("ppo", samples=ITERATION).train()
    longer = make_trainer("ppo", samples=2 * ITERATION)
    longer.resume()
    damaged = longer.train().checkpoint / "critic.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = make_trainer("ppo", samples=3 * ITERATION, learner={"actor_lr": 5e-5})
    assert again.resume().step == 1
    assert any("damaged" in line and "000000002" in line for line in again.progress.lines)
    assert any("learner.actor_lr was 0.0001, is 5e-05" in line for line in again.progress.lines)
    again.train()
    assert [r["iteration"] for r in read_rows(again.out / "metrics.jsonl")] == [1, 2, 3]


def test_a_checkpoint_of_other_sizes_is_refused(make_trainer, toy_env):
    make_trainer("ppo", samples=ITERATION).train()
    with pytest.raises(CheckpointError, match="does not fit"):
        make_trainer("ppo", env=toy_env(16)).resume()
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        make_trainer("ppo", out="nowhere").resume()


def test_the_environment_hears_of_progress_and_the_policy_of_its_std(make_trainer):
    trainer = make_trainer("ppo", rollout=SHORT, samples=8 * 32 * 4)
    trainer.train()
    assert trainer.env.progress == 8 * 32 * 3
    assert float(trainer.learner.policy.std[0]) == pytest.approx(SHORT.std_at(8 * 32 * 3))


def test_diverged_environments_enter_neither_replay_nor_normaliser(make_trainer, toy_env):
    env = toy_env(32)
    env.diverge = lambda step: [step % 32, (7 * step) % 32]
    trainer = make_trainer("awr", env=env, samples=4 * ITERATION)
    trainer.train()
    assert all(bool(t.double().isfinite().all()) for group in trainer.state.tensors().values() for t in group.values())
    assert float(trainer.learner.policy.normalizer.count) < 4 * ITERATION


def test_a_policy_that_turns_to_nan_stops_the_run_with_the_checkpoint_intact(make_trainer):
    trainer = make_trainer("ppo", samples=5 * ITERATION, checkpoint_minutes=0)
    normal = trainer.learner.update

    def update(replay, critic_only):
        if trainer.state.counters.iteration == 3:
            replay.reward.fill_(torch.nan)
        return normal(replay, critic_only)

    trainer.learner.update = update
    with pytest.raises(LearnerDiverged):
        trainer.train()
    assert checkpoint.latest(trainer.root).step == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("algorithm", ["awr", "ppo"])
@pytest.mark.parametrize("overlap", [True, False])
def test_a_gpu_learns_from_what_the_cpu_simulates_and_the_run_can_be_resumed(make_trainer, algorithm, overlap):
    rollout = dataclasses.replace(SHORT, overlap=overlap)
    trainer = make_trainer(algorithm, rollout=rollout, device="cuda", samples=8 * 8 * 32, evaluate_every=8 * 32)
    trainer.train()
    assert trainer.state.replay.obs.is_cuda and trainer.learner.policy.std.is_cuda and trainer.env.device.type == "cpu"
    assert len([row for row in _rows(trainer) if "eval/normalized_return" in row]) == 9
    again = make_trainer(algorithm, rollout=rollout, device="cuda", samples=9 * 8 * 32)
    assert again.resume().step == 8 and again.train().iterations == 9


def test_a_failing_save_is_said_and_training_goes_on(make_trainer, monkeypatch):
    trainer = make_trainer("ppo", samples=4 * ITERATION, checkpoint_minutes=0)
    real, calls = checkpoint.save, []

    def save(root, step, *args):
        calls.append(step)
        if step in (1, 2):
            raise checkpoint.CheckpointWriteError("disk full")
        return real(root, step, *args)

    monkeypatch.setattr(checkpoint, "save", save)
    assert trainer.train().iterations == 4
    assert calls == [1, 2, 3, 4, 4]
    assert trainer.progress.lines.count("disk full; training goes on") == 2


def test_minutes_stop_a_run(make_trainer):
    assert make_trainer("ppo", minutes=1e-6).train().stopped_by == "minutes"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_finishes_the_iteration_and_saves(make_trainer, number):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    trainer = make_trainer("ppo", samples=99 * ITERATION)
    trainer.env.diverge = lambda step: (os.kill(os.getpid(), number), [])[1] if step == 20 else []
    result = trainer.train()
    assert result.stopped_by == signal.Signals(number).name
    assert (result.iterations, result.samples) == (2, 2 * ITERATION)
    assert checkpoint.load(result.checkpoint).step == 2
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_second_signal_stops_at_once(make_trainer):
    before = signal.getsignal(signal.SIGINT)
    trainer = make_trainer("ppo", samples=99 * ITERATION)
    trainer.env.diverge = lambda step: (os.kill(os.getpid(), signal.SIGINT), [])[1] if step in (20, 22) else []
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_signals_are_left_alone():
    before, found = signal.getsignal(signal.SIGINT), []

    def work():
        with StopOnSignal() as stop:
            found.append((signal.getsignal(signal.SIGINT), stop.received))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(before, None)]


def test_meta_is_plain_json(make_trainer):
    trainer = make_trainer("awr", samples=ITERATION)
    meta = json.loads((trainer.train().checkpoint / "meta.json").read_text())
    assert meta["counters"]["samples"] == ITERATION
    assert meta["settings"]["algorithm"] == "AWR"


@pytest.mark.parametrize("wrong", [{"samples": -1}, {"keep_checkpoints": 0}, {"ema_decay": 1.0}, {"minutes": -1.0}])
def test_impossible_settings(wrong):
    with pytest.raises(ValueError):
        TrainerConfig(**wrong)
