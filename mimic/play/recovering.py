"""How well a controller of a library gets up: from lying poses, and after a push in the middle of a walk."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from characters import CharacterState
from mimic.core.errors import InputError
from mimic.core.rotations import quat_from_rotvec, quat_normalize
from mimic.evaluation.push import half_point
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.library import targets_of
from mimic.motion_graph.recovery import GETUPS
from mimic.play.switching import ON_CLIP_M, conducted_env
from mimic.runs.controller import Controller

STAND_S, TRACK_S, WATCHED_S = 5.0, 8.0, 10.0
STANDING_SHARE = 0.85  # of the stance's root height
IMPULSES = (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)  # [N·s]
_LIMP_S = 2.0
_BEFORE_S = 1.0
_EACH = 32  # characters pushed with each impulse
_DROP_M = 0.6  # height above the stance's lowest point from which a limp character falls, for any orientation


@dataclass(frozen=True)
class RecoverReport:
    """The result of `bench_recover`.

    Attributes:
        poses: lying poses that were tried.
        stand_in_5_s: share that stood within 5 s of the attempt's start.
        track_in_8_s: share that stood and followed the reference (MPJPE under 0.15 m) after 8 s.
        push_half_survive_ns: impulse [N·s] after which half of the walking characters do not fall; None: no such impulse.
        recovered_100_ns: share of characters that stood and followed the reference 10 s after a push of 100 N·s.
    """

    poses: int
    stand_in_5_s: float
    track_in_8_s: float
    push_half_survive_ns: float | None
    recovered_100_ns: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields of ``bench recover --json``."""
        return dict(vars(self))


def bench_recover(
    controller: Controller,
    poses: int = 200,
    seed: int = 0,
    threads: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> RecoverReport:
    """Let a character get up from random lying poses, and push it while it walks.

    A lying pose is where a limp character comes to rest, dropped in a random orientation and pose. A push changes the
    velocity of all bodies at once, in a random direction; a character that lies for 0.5 s then gets up.

    Args:
        controller: a controller of a library with a getup clip.
        poses: number of lying poses.
        seed: of poses and directions.
        threads: of the simulation; 0 means all cores.
        say: receives a line of progress after each part.

    Raises:
        InputError: the library has no getup clip, or no walk.
    """
    clips = _clips(controller)
    env = conducted_env(controller, clips, poses, threads)
    stood, tracks = _from_lying(env, controller, seed)
    say(f"{100 * stood:.0f} % of {poses} lying poses stood in {STAND_S:g} s")
    env = conducted_env(controller, clips, _EACH * len(IMPULSES), threads)
    upright, recovered = _pushed(env, controller, seed)
    say(f"{100 * recovered[-1]:.0f} % had recovered {WATCHED_S:g} s after {IMPULSES[-1]:g} N·s")
    return RecoverReport(poses, stood, tracks, half_point(IMPULSES, upright), recovered[-1])


def _clips(controller: Controller) -> tuple[str, ...]:
    getups = [name for name in GETUPS.get(controller.spec.character, ()) if name in controller.clips]
    if not getups or "walk" not in controller.clips:
        raise InputError(
            f"{controller.path}: needs a getup clip and a walk, and has {', '.join(controller.clips)}; "
            "choose `humanoid`"
        )
    return ("walk", *getups)


def limp_falls(env: ConductedEnv, seed: int) -> None:
    """Leave every character of ``env`` where it comes to rest after a limp fall in a random orientation and pose."""
    generator = torch.Generator().manual_seed(seed)
    n, character = env.num_envs, env.character
    quat = quat_normalize(torch.randn(n, 4, generator=generator))
    targets = 0.4 * torch.randn(n, character.num_actuated, generator=generator)
    joints = []
    for joint in character.joints:
        part = targets[:, joint.dof]
        if joint.kind == "ball":
            joints.append(part)
        else:
            low, high = joint.range or (-0.5, 0.5)
            share = torch.rand(n, 1, generator=generator)
            joints.append((low + share * (high - low)) * part.new_tensor(joint.axis))
    rotations = quat_from_rotvec(torch.stack(joints, 1))
    still = torch.zeros(n, 3)
    where = torch.tensor([0.0, 0.0, 0.0]).repeat(n, 1)
    state = CharacterState(where, quat, still, still, rotations, torch.zeros(n, character.num_actuated))
    lowest = env.kinematics.lowest_points(env.kinematics.forward(state)).amin(1)
    state.root_pos_w[:, 2] = _DROP_M - lowest
    env.engine.reset(torch.arange(n), state)
    for _ in range(round(_LIMP_S / env.control_dt)):
        now = env.engine.read()
        env.engine.set_targets(targets_of(now.joint_quat, character))  # the servo only brakes
        env.engine.step()


@torch.no_grad()
def _from_lying(env: ConductedEnv, controller: Controller, seed: int) -> tuple[float, float]:
    """Return which shares of the characters stand within 5 s, and follow the reference after 8 s."""
    everyone = torch.arange(env.num_envs)
    env.begin(torch.zeros(env.num_envs, dtype=torch.int64), torch.zeros(env.num_envs))
    env.conductor.request(everyone, torch.full((env.num_envs,), env.conductor.rest))
    limp_falls(env, seed)
    obs = env.get_up(everyone)
    stood = torch.zeros(env.num_envs, dtype=torch.bool)
    for step in range(round(TRACK_S / env.control_dt)):
        obs = env.control_step(controller.policy.mean(obs))
        if step < round(STAND_S / env.control_dt):
            stood |= _stands(env)
        if bool((again := env.fallen()).any()):
            obs = env.get_up(again.nonzero().squeeze(1))
    return float(stood.float().mean()), float((_stands(env) & (env.body_error() < ON_CLIP_M)).float().mean())


@torch.no_grad()
def _pushed(env: ConductedEnv, controller: Controller, seed: int) -> tuple[list[float], list[float]]:
    """Return for each impulse the share of characters that never fell, and the share that stands and follows at the end."""
    n = env.num_envs
    generator = torch.Generator().manual_seed(seed)
    phase, angle = torch.rand(n, generator=generator), 2 * math.pi * torch.rand(n, generator=generator)
    size = torch.tensor(IMPULSES).repeat_interleave(_EACH) / env.character.mass
    obs = env.begin(torch.zeros(n, dtype=torch.int64), phase)
    fell = torch.zeros(n, dtype=torch.bool)
    for step in range(round((_BEFORE_S + WATCHED_S) / env.control_dt)):
        if step == round(_BEFORE_S / env.control_dt):
            env.push(torch.arange(n), torch.stack((size * angle.cos(), size * angle.sin(), torch.zeros(n)), 1))
            obs = env.look()
        obs = env.control_step(controller.policy.mean(obs))
        if bool((down := env.fallen()).any()):
            fell |= down
            obs = env.get_up(down.nonzero().squeeze(1))
    good = _stands(env) & (env.body_error() < ON_CLIP_M)
    return _shares(~fell), _shares(good)


def _stands(env: ConductedEnv) -> Tensor:
    """Return (N,) bool: the characters whose root is about as high as in the stance."""
    height = env.recovery.standing_height
    return env.sim.root_pos_w[:, 2] > STANDING_SHARE * height


def _shares(good: Tensor) -> list[float]:
    return [float(share) for share in good.float().view(len(IMPULSES), -1).mean(1)]
