"""Recorded functions do what plain ones do. CUDA graphs are played by a tape of the CPU's operations (tests/tape.py)."""

import pytest
import torch

from characters import load_character
from mimic.env import TaskConfig, TrackingEnv, tracking_env
from mimic.recording import Recorded
from mimic.sim import make_engine
from tests.puppets import config, gentle_motion
from tests.tape import TapeRecorder


def test_a_tape_does_nothing_until_it_is_replayed_and_then_no_python():
    total, seen, tapes = torch.zeros(3), [], TapeRecorder()

    def add(x):
        seen.append(len(seen))
        total.add_(x)
        return total * len(seen)

    added = Recorded(add, tapes)
    for call in range(6):
        result = added(torch.full((3,), 2.0))
        assert torch.equal(total, torch.full((3,), 2.0 * (call + 1)))
        assert torch.equal(result, total * min(call + 1, 4)), "what Python counts stands still in a recording"
    assert len(seen) == 4 and tapes.replays == 3


def test_each_shape_has_its_recording_and_too_many_have_none():
    tapes = TapeRecorder()
    doubled = Recorded(lambda x: 2.0 * x, tapes)
    for size in (1, 1, 1, 2, 3, 2, 4, 5, 6, 6, 3):
        assert torch.equal(doubled(torch.arange(float(size))), 2.0 * torch.arange(float(size)))
    assert len(tapes.tapes) == 4 and tapes.replays == 6


def test_what_cannot_be_recorded_is_said_and_done_plainly():
    total = torch.zeros(2)

    def peeks(x):
        total.add_(x)
        return x + float(total.sum())

    peeking = Recorded(peeks, TapeRecorder())
    for call in range(3):
        assert float(peeking(torch.ones(2))[0]) == 1.0 + 2.0 * (call + 1)
    with pytest.warns(UserWarning, match="peeks is not recorded.*not permitted"):
        assert float(peeking(torch.ones(2))[0]) == 9.0, "what the failed recording did is undone"
    assert float(peeking(torch.ones(2))[0]) == 11.0


@pytest.mark.warp
@pytest.mark.parametrize("character", ["humanoid", "dog"])
def test_an_environment_that_is_recorded_does_the_same_to_the_bit(character, monkeypatch):
    pytest.importorskip("mujoco_warp", reason="the GPU engine is an extra: pip install '.[gpu]'")
    tapes = TapeRecorder()
    monkeypatch.setattr(tracking_env, "recorder", lambda device: tapes)
    envs = []
    for _ in range(2):
        engine = make_engine(load_character(character), 12, engine="warp")
        settings = config("pushes.speed=1", "pushes.every_s=0.2", "adaptive_starts=0.5", "time_limit.end_s=1")
        env = TrackingEnv(gentle_motion(character, turn=0.3), engine, settings, TaskConfig(), seed=3)
        env.by_mask, env.clock.looks = True, False  # as on a GPU
        envs.append(env)
    plain, recorded = envs
    recorded.record()
    assert torch.equal(plain.reset(), recorded.reset())
    ends = 0
    for number in range(40):
        action = 0.6 * torch.randn(12, plain.act_dim, generator=torch.Generator().manual_seed(number))
        if number == 7:
            action[3] = torch.nan
        if number == 20:
            for env in envs:
                env.set_progress(10_000_000)
        if number == 25:
            saved = plain.state_dict()
        if number == 30:
            for env in envs:
                env.load_state_dict(saved)
        if number == 35:
            for env in envs:
                env.reseed(9)
        ours, theirs = recorded.step(action), plain.step(action)
        for name in ("obs", "reward", "end", "final_obs"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name)), (number, name)
        assert all(torch.equal(value, theirs.info[name]) for name, value in ours.info.items())
        ends += int((ours.end != 0).sum())
    for name, value in recorded.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name
    assert ends > 12 and len(tapes.tapes) == 4 and tapes.replays > 60
