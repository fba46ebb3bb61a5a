"""Training on the motion graph: random commands, clips that play once, the cheapest way, and a resume to the bit."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from characters import load_character
from mimic.core.errors import InputError
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.conductor import SETTLE_STEPS
from mimic.motion_graph.entries import STEP_S
from mimic.play.switching import conducted_env
from mimic.runs.controller import load_controller
from mimic.runs.preset import load_preset
from mimic.runs.run_config import tracking_run
from mimic.runs.task import Place
from mimic.sim import make_engine
from mimic.tracking.config import CommandConfig
from mocap.catalogue import load_clips
from mocap.stance import STAND

CLIPS = ("walk-authored", "trot-authored")
NUM = 8


def training_env(every_s: float = 0.3, steer: float = 0.3, **commands: Any) -> ConductedEnv:
    controller = load_controller("dog-authored")
    config = replace(controller.env_config, commands=CommandConfig(every_s=every_s, steer=steer, **commands))
    engine = make_engine(load_character("dog"), NUM, threads=1)
    return ConductedEnv(load_clips("+".join(CLIPS)), engine, config, training=True, seed=3)


def run(env: ConductedEnv, steps: int) -> list[torch.Tensor]:
    seen = []
    for _ in range(steps):
        step = env.step(torch.zeros(NUM, env.act_dim))
        seen.append(torch.cat([step.obs, step.reward[:, None], step.end[:, None].float()], 1).clone())
    return seen


def test_random_commands_reach_every_clip_and_steer() -> None:
    env = training_env(every_s=0.1, steer=0.5)
    env.reset()
    wanted, steered = set(), 0
    for _ in range(60):
        env.step(torch.zeros(NUM, env.act_dim))
        wanted |= set(env.conductor.target.tolist())
        steered += int(env.conductor.steering.sum())
    assert wanted == set(range(len(CLIPS) + 1)) and 0 < steered < 60 * NUM


def test_episodes_begin_shortly_before_a_jump_to_the_clips_that_are_asked_for() -> None:
    env = training_env(every_s=1e9, clips=(STAND,), jumps=1.0)
    env.reset()
    stand, began = env.library.index(STAND), env.conductor.now.clip.clone()
    assert bool((began != stand).any()) and env.conductor.target.tolist() == [stand] * NUM
    entered = began == stand
    for _ in range(SETTLE_STEPS + 8):  # some ways lead through another gait
        env.step(torch.zeros(NUM, env.act_dim))
        entered |= (env.conductor.now.clip == stand) | (env.episodes.steps == 0)
    assert bool(entered.all())


def test_a_clip_that_is_asked_for_and_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no clip 'trott-authored' in this library; did you mean 'trot-authored'"):
        training_env(clips=("trott-authored",))


def test_a_training_resumes_to_the_bit() -> None:
    env, other = training_env(), training_env()
    env.reset()
    run(env, 25)
    saved = env.state_dict()
    expected = run(env, 25)
    other.reset()
    other.load_state_dict(saved)
    found = run(other, 25)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_the_reference_followed_exactly_earns_the_whole_reward() -> None:
    env = training_env(every_s=1e9)
    env.reset(torch.zeros(NUM, dtype=torch.float64))
    env.sim = env.tracker.state_now()
    env.bodies = env.kinematics.forward(env.sim)
    env.reference = env.tracker.sample()
    reward = env.reward.total(env.reward.terms(env._reward_inputs())) / env.reward.maximum
    assert torch.allclose(reward, torch.ones(NUM), atol=1e-5)


def test_a_clip_that_is_asked_for_once_returns_to_the_stance() -> None:
    env = conducted_env(load_controller("dog-authored"), CLIPS, NUM, threads=1)
    stand, trot = env.library.index(STAND), env.library.index("trot-authored")
    everyone = torch.arange(NUM)
    env.begin(torch.full((NUM,), stand), torch.zeros(NUM))
    env.conductor.request(everyone, torch.full((NUM,), trot), once=True)
    seen = []
    for _ in range(round(12.0 / STEP_S)):
        env.conductor.advance()
        seen.append(env.conductor.now.clip.clone())
    played = torch.stack(seen) == trot
    assert bool(played.any(0).all()) and bool((seen[-1] == stand).all())
    cycle = float(env.library.seconds[trot])
    assert bool((played.sum(0) * STEP_S < 2.5 * cycle).all())


def test_every_way_through_the_table_ends_in_the_wanted_clip() -> None:
    env = conducted_env(load_controller("dog-authored"), ("walk-authored", "canter-authored"), 1, threads=1)
    entries, library = env.conductor.entries, env.library
    for target in range(len(library.names)):
        clip = torch.arange(len(library.names)).repeat_interleave(entries.rows)
        seconds = torch.cat([torch.arange(int(n)) * STEP_S for n in entries.rows])
        for _ in range(4):
            wait, entered, phase = entries.look_up(clip, seconds, torch.full_like(clip, target), library.loops)
            assert bool((wait >= 0).all()) and bool(((phase >= 0) & (phase < 1)).all())
            moved = clip != target
            clip = torch.where(moved, entered, clip)
            seconds = torch.where(moved, phase * library.seconds[entered], seconds)
        assert bool((clip == target).all()), library.names[target]


def test_the_preset_graph_trains_on_commands_and_refuses_a_gpu() -> None:
    preset = load_preset("graph", ("num_envs=4",))
    task = tracking_run("walk-authored", preset, "awr").task
    assert isinstance(task.make_env(Place(4, 0, 1, "mujoco", "cpu", 0)), ConductedEnv)
    with pytest.raises(InputError, match="the motion graph runs on the CPU alone"):
        task.make_env(Place(4, 0, 1, "warp", "cuda", 0))
