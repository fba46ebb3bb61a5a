"""Episodes that begin where a controller got to, shortly before a jump."""

from dataclasses import replace

import pytest
import torch

from mimic.core.errors import InputError
from mimic.runs import played_starts as played
from mimic.runs.controller import load_controller
from mimic.runs.task import Place
from mimic.runs.tasks.tracking import training_env
from mimic.tracking.config import CommandConfig
from mocap.catalogue import load_clips

CLIPS = "walk-authored+trot-authored"
NUM, WALK, TROT = 12, 0, 1


def task(**commands):
    config = load_controller("dog-authored").env_config
    return replace(config, commands=CommandConfig(clips=("trot-authored",), jumps=1.0, every_s=1e9, **commands))


def env(**commands):
    return training_env(load_clips(CLIPS), task(**commands), Place(NUM, seed=3, threads=1))


@pytest.fixture(autouse=True)
def few_characters(monkeypatch):
    monkeypatch.setattr(played, "_CHARACTERS", 24)


def test_an_episode_begins_in_a_state_that_the_controller_reached_and_not_in_that_of_the_clip():
    reached = env(played_by="dog-authored")
    assert reached.starts.count[WALK] > 4 and reached.starts.count[TROT] == 0
    reached.reset()
    walks = (reached.clips.first(torch.arange(NUM)) >= 0) & (reached.conductor.target == TROT)
    reached.sim = reached.engine.read()
    reached.bodies = reached.kinematics.forward(reached.sim)
    jumping = walks & (reached.conductor.wait < 10)
    assert bool(jumping.any()) and 0.002 < float(reached.body_error()[jumping].min()) < played._LOST_M
    assert float(reached.sim.root_pos_w[jumping, :2].norm(dim=1).min()) > 0.1  # walked there
    reached.clips.first_clip = TROT  # of which nobody leads to a jump
    reached.reset()
    plain = env()
    plain.reset()
    assert plain.starts is None and float(plain.engine.read().root_pos_w[:, :2].abs().max()) < 0.1


def test_the_same_seed_gives_the_same_starts():
    first, second = (env(played_by="dog-authored").starts for _ in range(2))
    assert torch.equal(first.sim.root_pos_w, second.sim.root_pos_w)
    assert all(torch.equal(value, second.conductor[name]) for name, value in first.conductor.items())


def test_a_controller_that_is_not_there_or_observes_something_else_is_named():
    with pytest.raises(InputError, match="nosuch"):
        env(played_by="nosuch")
    with pytest.raises(InputError, match="played_by=trot-authored: observes something else"):
        env(played_by="trot-authored")
