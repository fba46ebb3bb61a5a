import os
import shutil
import signal
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from mimic.core import checkpoint
from mimic.core.errors import InputError
from mimic.exporting.licence import commercial_use
from mimic.rl.algorithms.awr import AWR
from mimic.rl.metrics_log import read_rows
from mimic.rl.progress import Silent
from mimic.runs import training
from mimic.runs.controller import load_controller, total_training_cost, training_cost
from mimic.runs.preset import load_preset
from mimic.runs.run_config import read_run, tracking_run
from mimic.runs.tasks.tracking import TrackingTask
from mimic.runs.training import StopCriteria, rollout_of, train
from mimic.runs.warm_start import InitialController, combined_licence, initial_controller
from mocap.catalogue import load_clip
from mocap.formats.clip_npz import write_clip_npz
from tests.motion_samples import clip_or_skip

TINY = (
    "num_envs=4",
    "awr.rollout.steps=4",
    "policy.actor_sizes=[8]",
    "policy.critic_sizes=[8]",
    "env.evaluation_s=0.2",
    "trainer.tensorboard=false",
)
ITERATION = 16  # samples


def run_of(clip, settings=(), algorithm="awr", initial=""):
    preset = load_preset("fast", (*TINY, *settings))
    return tracking_run(clip, preset, algorithm, init_from=initial_controller(initial) if initial else None)


def test_rollout_and_learner_take_turns_where_they_share_a_gpu():
    run = tracking_run("walk", load_preset("fast"), "awr")
    assert rollout_of(run).overlap and rollout_of(replace(run, device="cuda")).overlap
    shared = rollout_of(replace(run, engine="warp", device="cuda"))
    assert shared == replace(rollout_of(run), overlap=False)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    clip_or_skip("walk")
    out = tmp_path_factory.mktemp("runs") / "walk"
    train(run_of("walk"), out, StopCriteria(samples=10 * ITERATION), threads=1)
    return out


@pytest.mark.parametrize("algorithm", ["awr", "ppo"])
def test_a_run_may_begin_with_a_controller_which_changes_only_when_its_critic_knows_something(
    walk, tmp_path, algorithm
):
    settings = () if algorithm == "awr" else ("ppo.rollout.steps=4",)
    run = run_of("run", settings, algorithm, initial=str(walk))
    first = load_controller(str(walk)).policy
    for iterations in (5, 25):
        limits = StopCriteria(samples=iterations * ITERATION)
        skill = load_controller(str(train(run, tmp_path, limits, threads=1, resume=iterations > 5).checkpoint))
        same = all(torch.equal(p, q) for p, q in zip(first.parameters(), skill.policy.parameters(), strict=True))
        assert same == (iterations < 20)
    assert skill.clip == "run"
    begun = skill.spec.begun_with
    assert (begun.controller, begun.samples) == (str(walk), 10 * ITERATION)
    assert begun.policy_sha256 == read_run(tmp_path).init_from.policy_sha256
    assert total_training_cost(skill).samples == 35 * ITERATION and training_cost(skill).samples == 25 * ITERATION
    assert float(skill.policy.normalizer.count) == float(first.normalizer.count) > 0  # else its inputs would move


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("policy.actor_sizes=[9]", "actor_sizes"),
        ("policy.obs_clip=0", "obs_clip"),
        ("env.action.lead_s=0.1", "env.action"),
        ("clip=canter", "character"),
    ],
)
def test_a_controller_that_does_not_fit_the_run_is_refused(walk, tmp_path, setting, what):
    clip = "canter-authored" if setting.startswith("clip") else "walk"
    run = run_of(clip, () if setting.startswith("clip") else (setting,), initial=str(walk))
    with pytest.raises(InputError, match=what):
        train(run, tmp_path, StopCriteria(samples=ITERATION), threads=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN])
def test_a_signal_while_the_run_is_set_up_is_not_lost(monkeypatch, tmp_path, before):
    """Also where SIGINT is ignored, as it is in a job that a shell script has started in the background."""

    class Trainer:
        root = tmp_path / "ckpt"

        def train(self):
            raise AssertionError("it has begun")

    monkeypatch.setattr(TrackingTask, "check", lambda self: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setattr(training, "_make_trainer", lambda *of: Trainer())
    own = signal.signal(signal.SIGINT, before)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(tracking_run("walk", load_preset("fast"), "awr"), tmp_path, StopCriteria())
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, own)


def test_no_two_trainings_write_into_one_folder(tmp_path):
    clip_or_skip("walk")
    own, other = run_of("walk"), replace(run_of("walk"), seed=1)

    class Meanwhile(Silent):
        """Another training is started while this one is at work."""

        refusals: ClassVar[list[str]] = []

        def show(self, row, share, eta_s):
            for resume in (False, True):
                with pytest.raises(InputError, match="another process trains in this folder") as refused:
                    train(other, tmp_path, StopCriteria(samples=ITERATION), threads=1, resume=resume)
                self.refusals.append(str(refused.value))

    train(own, tmp_path, StopCriteria(samples=2 * ITERATION), threads=1, progress=Meanwhile())
    assert Meanwhile.refusals and read_run(tmp_path).seed == 0
    train(own, tmp_path, StopCriteria(samples=3 * ITERATION), threads=1, resume=True)


def test_a_run_killed_while_its_checkpoint_got_its_score_goes_on_from_it(walk, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(walk, out)
    for older in sorted((out / "ckpt").iterdir())[:-1]:
        shutil.rmtree(older)
    (only,) = (out / "ckpt").iterdir()
    only.rename(only.with_name(f".tmp-replaced-{only.name}"))
    result = train(read_run(out), out, StopCriteria(samples=12 * ITERATION), threads=1, resume=True)
    assert result.samples == 12 * ITERATION
    assert {row["iteration"] for row in read_rows(out / "metrics.jsonl")} == set(range(13)), "none is missing"


def test_a_run_of_before_the_term_for_actions_goes_on(walk, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(walk, out)
    for path in (out / "ckpt").iterdir():
        found = checkpoint.load(path)
        del found.tensors["env"]["acted"]
        shutil.rmtree(path)
        checkpoint.save(out / "ckpt", found.step, found.tensors, found.meta)
    assert train(read_run(out), out, StopCriteria(samples=11 * ITERATION), threads=1, resume=True).iterations == 11


def test_a_run_goes_on_when_the_controller_it_began_with_has_gone(walk, tmp_path):
    parent, out = tmp_path / "parent", tmp_path / "child"
    shutil.copytree(walk, parent)
    train(run_of("run", initial=str(parent)), out, StopCriteria(samples=2 * ITERATION), threads=1)
    shutil.rmtree(parent)
    run = read_run(out)
    result = train(run, out, StopCriteria(samples=4 * ITERATION), threads=1, resume=True)
    assert result.samples == 4 * ITERATION
    assert load_controller(str(result.checkpoint)).spec.begun_with.samples == 10 * ITERATION


@pytest.mark.parametrize(
    ("parent", "clip", "use"),
    [
        ("CC BY-NC 4.0, non-commercial", "Apache-2.0 (synthetic)", "not allowed"),
        ("Apache-2.0 (synthetic)", "CC BY-NC 4.0, non-commercial", "not allowed"),
        ("published in an MIT repository", "Apache-2.0 (synthetic)", "unclear"),
        ("Apache-2.0 (synthetic)", "published in an MIT repository", "unclear"),
        ("Apache-2.0 (synthetic)", "Apache-2.0 (other)", "allowed"),
        ("", "Apache-2.0 (synthetic)", "unclear"),
        ("MIT License", "published in an MIT repository", "unclear"),
        ("Apache-2.0 (synthetic)", "", "unclear"),
        ("CC BY-NC 4.0, non-commercial", "", "not allowed"),
    ],
)
def test_terms_are_those_of_the_clip_and_of_the_controller_it_began_with(parent, clip, use):
    found = combined_licence(clip, InitialController("a", "a", "", 0, 0.0, parent))
    assert commercial_use(found) == use and combined_licence(clip, None) == clip


WIDE = ("num_envs=256", "awr.rollout.steps=8", "policy.actor_sizes=[256]", "policy.critic_sizes=[256]")


@pytest.mark.parametrize("overlap", ["true", "false"])
def test_updates_on_several_threads_are_the_same_every_time_and_keep_to_their_number(tmp_path, monkeypatch, overlap):
    """Of batches wide enough to be shared; a resumed run has as many threads as it began with, whatever the machine."""
    seen, update = [], AWR.update

    def watched(self, replay, critic_only=False):
        seen.append(torch.get_num_threads())
        return update(self, replay, critic_only)

    monkeypatch.setattr(AWR, "update", watched)
    run, ends = run_of("trot-authored", (*WIDE, f"awr.rollout.overlap={overlap}")), []
    for name, stops in (("whole", (4,)), ("twin", (4,)), ("parted", (2, 4))):
        out = tmp_path / name
        for resume, iterations in enumerate(stops):
            monkeypatch.setattr(training, "learner_threads", lambda *_, here=2 - resume: here)
            begun = read_run(out) if resume else run
            train(begun, out, StopCriteria(samples=iterations * 2048), threads=1, resume=bool(resume))
        assert read_run(out).learn_threads == 2 and run.learn_threads == 0
        assert set(seen) == {2} and torch.get_num_threads() == 1
        ends.append(checkpoint.latest(out / "ckpt").tensors)
    for other in ends[1:]:
        for group in ("policy", "critic", "actor_optimizer", "replay"):
            for name, value in ends[0][group].items():
                assert torch.equal(value, other[group][name]), f"{group}.{name}"


def test_a_controller_of_several_clips_states_the_licence_of_every_one(tmp_path):
    paths = []
    for name, licence in (("trot-left-authored", "CC0"), ("trot-right-authored", "CC BY-NC 4.0")):
        paths.append(tmp_path / f"{name}.npz")
        paths[-1].write_bytes(write_clip_npz(replace(load_clip(name), license=licence)))
    run = run_of("+".join(map(str, paths)))
    result = train(run, tmp_path / "run", StopCriteria(samples=ITERATION), threads=1)
    said = load_controller(str(result.checkpoint)).spec.clip_license
    assert said == "of several clips: (1) CC0; (2) CC BY-NC 4.0" and commercial_use(said) == "not allowed"
