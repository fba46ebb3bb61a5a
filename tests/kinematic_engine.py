"""Environments for tests: of any motion, with an engine without physics, and a preset's configuration to change."""

import math
from dataclasses import replace
from functools import cache

import torch

from characters import CharacterState, load_character
from mimic.core.rotations import quat_from_axis_angle, quat_from_rotvec, quat_from_yaw
from mimic.runs.preset import Preset, load_preset
from mimic.sim.engines.mujoco import MujocoEngine
from mimic.tracking import ClipRules, EnvConfig, TrackingEnv
from mocap.motion import Motion
from retarget.ground import lowest_heights
from tests.motion_samples import clip_or_skip


class KinematicEngine(MujocoEngine):
    """An engine without physics: ``step`` takes on ``next_state``."""

    next_state: CharacterState

    def step(self) -> None:
        self.reset(torch.arange(self.num_envs), self.next_state)


@cache
def preset(name: str, *settings: str) -> Preset:
    return load_preset(name, settings)


def config(*settings: str, name: str = "fast") -> EnvConfig:
    """The preset's environment with ``key=value`` settings below ``env``."""
    return preset(name, *(f"env.{setting}" for setting in settings)).env


@cache
def gentle_motion(name: str, loop: bool = True, turn: float = 0.0, duration: float = 1.0) -> Motion:
    """A character that sways as it drifts over the ground, 1 cm above it, turning by ``turn`` [rad] a cycle."""
    character, frames = load_character(name), round(30 * duration) + 1
    times = torch.arange(frames, dtype=torch.float64) / 30
    swing = torch.sin(2 * math.pi * times / times[-1])
    joint_quat = torch.empty(frames, len(character.joints), 4, dtype=torch.float64)
    for j, joint in enumerate(character.joints):
        if joint.kind == "hinge":
            low, high = joint.range or (-1.0, 1.0)
            axis = torch.tensor(joint.axis, dtype=torch.float64).expand(frames, 3)
            bend = math.copysign(0.3, low + high)
            joint_quat[:, j] = quat_from_axis_angle(axis, bend + 0.1 * swing)
        else:
            direction = torch.tensor([math.sin(j), math.cos(j), 0.3], dtype=torch.float64)
            joint_quat[:, j] = quat_from_rotvec(0.1 * swing[:, None] * direction)
    root_pos = torch.stack((0.3 * times, 0.05 * swing, torch.ones_like(times)), 1)
    motion = Motion(
        name="gentle",
        character=name,
        joint_names=tuple(joint.name for joint in character.joints),
        times=times,
        root_pos_w=root_pos,
        root_quat_w=quat_from_yaw(turn * times / times[-1]),
        joint_quat=joint_quat,
        loop=loop,
    )
    above = lowest_heights(motion, character).min() - 0.01
    return replace(motion, root_pos_w=root_pos - above * torch.tensor([0.0, 0.0, 1.0]))


def make(
    motion: Motion,
    num_envs: int,
    env_config: EnvConfig | None = None,
    rules: ClipRules | None = None,
    training: bool = False,
    seed: int = 0,
    kinematic: bool = False,
) -> TrackingEnv:
    engine = (KinematicEngine if kinematic else MujocoEngine)(load_character(motion.character), num_envs, threads=1)
    return TrackingEnv(motion, engine, env_config or config(), rules, training, seed)


def clip_env(clip: str, num_envs: int, env_config: EnvConfig | None = None, **options: object) -> TrackingEnv:
    """The environment of a real clip, or a skipped test."""
    return make(clip_or_skip(clip)[0], num_envs, env_config, **options)  # type: ignore[arg-type]


def ahead(env: TrackingEnv) -> CharacterState:
    """The reference one control step from now, as the clip goes on."""
    later = env.tracker.ahead(env.control_dt)
    return env.tracker.reference.sample(later.clip_time, later.origin_w, later.yaw, later.clip).state


def follow_reference(env: TrackingEnv, change: object = lambda state: state) -> object:
    """One step after which the simulated state is the reference, or what ``change`` makes of it."""
    env.engine.next_state = change(ahead(env))  # type: ignore[attr-defined,operator]
    return env.step(torch.zeros(env.num_envs, env.act_dim))


def shifted(state: CharacterState, **offsets: torch.Tensor) -> CharacterState:
    """The state with some fields moved by an offset."""
    return replace(state, **{name: getattr(state, name) + offset for name, offset in offsets.items()})
