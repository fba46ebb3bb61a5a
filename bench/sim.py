"""Measures the environment's speed as a ratio to that of the simulator alone, in one run on the same threads."""

import time
from collections.abc import Callable
from functools import partial
from statistics import mean, median
from typing import Any

import torch

from bench import pybullet_engine as bench_pybullet
from mimic.core import program
from mimic.core.errors import InputError
from mimic.gpu.graphed_env import with_graphs
from mimic.runs.preset import Preset
from mimic.sim import DeviceName
from mimic.tracking import make_env
from mocap.catalogue import list_clips, load_clips

_ROUNDS = 5
_SECONDS = 1.0
_CHUNK = 10  # control steps; left alone for longer, characters fall down and cost thrice the contacts
_PEER_SECONDS = 5.0
_USUAL_CLIPS = ("walk", "trot")
_ACTION_STD = 0.05
_ACTIONS = 64  # random ones, used in turn


def bench_sim(
    character: str,
    preset: Preset,
    num_envs: int = 512,
    threads: int = 0,
    pybullet: bool = False,
    engine_name: str = "mujoco",
    device: DeviceName = "cpu",
) -> dict[str, Any]:
    """Measure control steps per second of the whole environment, and of the simulator alone at the same substeps.

    The two are timed in turns, from states of the same rollout; the rates are medians over the turns. With
    ``pybullet``, its DeepMimic environment (one humanoid, one core) is timed before and after.
    """
    peer = [bench_pybullet.measure(_PEER_SECONDS)] if pybullet else []
    clip = clip_of(character)
    env = make_env(load_clips(clip), preset.env, num_envs, threads=threads, engine=engine_name, device=device)
    engine = env.engine
    generator = torch.Generator().manual_seed(0)
    noise = _ACTION_STD * torch.randn(_ACTIONS, num_envs, env.act_dim, generator=generator).to(env.device)
    graphed = with_graphs(env)
    engine.physics_step()  # kernels are compiled, graphs captured
    env.reset()
    step = 0

    def env_step() -> None:
        nonlocal step
        graphed.step(noise[step % len(noise)])
        step += 1

    for _ in range(30):
        env_step()
    env_rates, raw_rates = [], []
    for _ in range(_ROUNDS):
        snapshot = env.state_dict()
        env_rates.append(num_envs * _rate(env.device, env_step))
        env.load_state_dict(snapshot)
        raw_rates.append(num_envs * _rate(env.device, engine.physics_step, partial(env.load_state_dict, snapshot)))
        env.load_state_dict(snapshot)
        for _ in range(10):
            env_step()
    if pybullet:
        peer.append(bench_pybullet.measure(_PEER_SECONDS))
    rate, against_peer = median(env_rates), {}
    if peer:
        against_peer = {"pybullet_steps_per_s": round(mean(peer), 1), "times_pybullet": round(rate / mean(peer), 1)}
    return {
        "character": character,
        "clip": clip,
        "num_envs": num_envs,
        "engine": engine_name,
        "device": torch.cuda.get_device_name(env.device) if env.device.type == "cuda" else device,
        **engine.details(),
        "env_steps_per_s": round(rate),
        "raw_engine_steps_per_s": round(median(raw_rates)),
        "ratio": round(median(e / r for e, r in zip(env_rates, raw_rates, strict=True)), 3),
        **against_peer,
    }


def clip_of(character: str) -> str:
    """Return the name of an installed clip of the character, preferably the usual one."""
    clips = [info.name for info in list_clips() if info.character == character and info.available]
    if not clips:
        raise InputError(
            f"no clip of the {character} is on this machine: {program.command('fetch all')} downloads them"
        )
    return next(name for name in (*_USUAL_CLIPS, *clips) if name in clips)


def _rate(device: torch.device, call: Callable[[], None], before: Callable[[], None] | None = None) -> float:
    """Measure the calls per second of ``call``, for about ``_SECONDS``.

    ``before``, if given, runs untimed every ``_CHUNK`` calls.
    """
    count, passed = 0, 0.0
    while passed < _SECONDS:
        if before:
            before()
        start = now(device)
        for _ in range(_CHUNK):
            call()
        passed += now(device) - start
        count += _CHUNK
    return count / passed


def now(device: torch.device) -> float:
    """Return the time [s], after a GPU has finished its pending work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
