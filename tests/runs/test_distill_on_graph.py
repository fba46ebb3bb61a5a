"""Distillation with teachers of chosen clips, and on a motion graph, where the clip the reference is heading for decides."""

from dataclasses import replace

import pytest
import torch

from mimic.core.errors import InputError
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.rl.cloning import CloningConfig
from mimic.runs.controller import load_controller
from mimic.runs.dagger_rollout import DaggerRollout
from mimic.runs.distill import distill, student_task
from mimic.runs.distill_config import DistillConfig, read_distillation
from mimic.runs.preset import load_preset
from mimic.runs.task import Place
from mimic.runs.tasks.tracking import training_env
from mimic.runs.teachers import Teacher, Teachers, clips_of, grown_from, load_teachers
from mocap.catalogue import load_clips
from run_mimic import main

TINY = DistillConfig(
    num_envs=16, first_steps=10, rounds=4, steps=4, updates=4, capacity=400, teacher_rounds=2, save_rounds=2,
    cloning=CloningConfig(batch=64, ema=0.9),
)  # fmt: skip
CLIPS = ("walk", "jog", "stand")


def commanded():
    """Return the library of three clips, which seems to have been trained on a motion graph."""
    found = load_controller("humanoid").of_clips(CLIPS)
    graph = load_preset("graph").env
    env = replace(found.spec.env, commands=graph.commands, pushes=graph.pushes)
    return replace(found, spec=replace(found.spec, env=env))


def zeroed(controller):
    """Return a copy whose action is always zero."""
    policy = load_controller(controller.path).policy
    for parameter in policy.parameters():
        parameter.data.zero_()
    return replace(controller, policy=policy)


def test_the_last_teacher_that_was_named_for_a_clip_teaches_it():
    found = load_teachers("humanoid,humanoid=walk+stand,walk=walk")
    assert [one.chosen for one in found] == [False, True, True] and grown_from(found) is found[0].controller
    assert clips_of(found) == found[0].clips and found[1].name == f"{found[1].controller.path}=walk+stand"
    with pytest.raises(InputError, match="does not have the clip 'wlak'; did you mean 'walk'"):
        load_teachers("humanoid,humanoid=wlak")
    with pytest.raises(InputError, match="choose what the others teach, as in runs/gaits=walk"):
        load_teachers("humanoid,humanoid")
    with pytest.raises(InputError, match="two teachers have the clip 'walk'; name one"):
        load_teachers("humanoid,walk")


def test_teachers_of_commands_teach_on_a_motion_graph_and_the_clip_ahead_decides():
    library = commanded()
    teachers = [Teacher(library, CLIPS), Teacher(zeroed(library), ("stand",), chosen=True)]
    task = student_task(teachers)
    assert task.commands == load_preset("graph").env.commands and task.pushes == library.env_config.pushes
    env = training_env(load_clips("+".join(CLIPS)), task, Place(8, 0, 1))
    assert isinstance(env, ConductedEnv)
    env.reset()
    env.begin(torch.zeros(8, dtype=torch.int64), torch.linspace(0.0, 0.9, 8))
    stand = env.library.index("stand")
    env.conductor.request(torch.arange(4), torch.full((4,), stand))
    early, seen = False, Teachers(teachers, env)
    for _ in range(60):
        env.look()
        by_zero = (seen.actions() == 0).all(1)
        assert torch.equal(by_zero, env.conductor.heading_for() == stand)
        early |= bool((by_zero & (env.conductor.now.clip != stand)).any())
        env.control_step(library.policy.mean(env.look()))
    assert by_zero.tolist() == [True] * 4 + [False] * 4 and early


def test_the_stance_must_be_taught_and_no_teacher_may_observe_a_phase():
    walks = replace(commanded(), spec=replace(commanded().spec, clip="walk+jog"))
    with pytest.raises(InputError, match="name a teacher of 'stand'"):
        student_task([Teacher(walks, walks.clips)])
    alone = load_controller("run")
    with pytest.raises(InputError, match="observes the phase of its clip, so it cannot teach on a motion graph"):
        student_task([Teacher(commanded(), CLIPS), Teacher(alone, alone.clips)])


def test_a_distillation_on_a_motion_graph_that_was_stopped_continues_to_the_bit(tmp_path, monkeypatch):
    library = commanded()
    monkeypatch.setattr("mimic.runs.teachers.load_controller", lambda path: library)
    teachers = load_teachers("humanoid,humanoid=stand")
    whole = distill(teachers, tmp_path / "whole", TINY, threads=1, say=len)
    assert read_distillation(tmp_path / "whole").teachers == (str(library.path), f"{library.path}=stand")
    collect, calls = DaggerRollout.collect, []

    def stopping(*args):
        calls.append(args)
        if len(calls) == 5:  # round 4; round 2 has been saved, round 3 has not
            raise KeyboardInterrupt
        return collect(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(DaggerRollout, "collect", stopping)
        distill(teachers, tmp_path / "stopped", TINY, threads=1, say=len)
    assert main(["distill", "--resume", "--out", str(tmp_path / "stopped"), "--threads", "1"]) == 0
    monkeypatch.undo()
    first, second = (load_controller(path).policy for path in (whole.controller, str(tmp_path / "stopped")))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
