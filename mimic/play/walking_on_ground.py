"""How long a controller of a library walks and trots on bumps and slopes without a fall."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from characters import load_character
from mimic.core.errors import InputError, nearest
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.entries import STEP_S
from mimic.runs.controller import Controller
from mimic.sim.ground import Ground, GroundEngine
from mocap.catalogue import load_clips

BUMPS_M, SLOPE_DEGREES, SECONDS = 0.03, 8.0, 60.0
_RISE = math.tan(math.radians(SLOPE_DEGREES))
GROUNDS = {
    "level": Ground(),
    "bumps": Ground(bumps=BUMPS_M),
    "uphill": Ground(slope=(_RISE, 0.0)),
    "downhill": Ground(slope=(-_RISE, 0.0)),
    "across": Ground(slope=(0.0, _RISE)),
}
_USUAL = ("walk", "trot", "walk-authored", "trot-authored")


@dataclass(frozen=True)
class GroundReport:
    """Shares of runs without a fall, by ground and clip.

    Attributes:
        shares: {ground: {clip: share}}.
        seconds: length of a run.
        runs: of each ground and clip.
    """

    shares: dict[str, dict[str, float]]
    seconds: float
    runs: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields of ``bench ground --json``; ``without_fall`` is the share on bumps and slopes."""
        uneven = [share for ground, clips in self.shares.items() if ground != "level" for share in clips.values()]
        return {
            "shares": self.shares,
            "without_fall": sum(uneven) / len(uneven),
            "seconds": self.seconds,
            "runs": self.runs,
        }


def bench_ground(
    controller: Controller,
    clips: Sequence[str] = (),
    runs: int = 16,
    seconds: float = SECONDS,
    friction: float = 1.0,
    mass: float = 1.0,
    seed: int = 0,
    threads: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> GroundReport:
    """Let a character do clips on bumps of 3 cm and slopes of 8 degrees, from random phases, and count the falls.

    The reference keeps its height above the mean ground below the root. A run has fallen once the character has been down
    for 0.5 s, or its simulation has failed.

    Args:
        controller: a controller of a library.
        clips: the clips; by default its walk and its trot.
        runs: of each ground and clip.
        seconds: length of a run.
        friction: factor on the friction of all contacts.
        mass: factor on all masses.
        seed: of the phases and the bumps.
        threads: of the simulation; 0 means all cores.
        say: receives a line of progress after each ground.

    Raises:
        InputError: the controller cannot follow commands, or has not the clips.
    """
    names = _chosen(controller, clips)
    controller.check_clips_are_here()
    motions, character = load_clips("+".join(names)), load_character(controller.spec.character)
    shares: dict[str, dict[str, float]] = {}
    for where, ground in GROUNDS.items():
        ground = replace(ground, friction=friction, mass=mass)
        engine = GroundEngine(character, runs * len(names), threads, ground, seed)
        env = ConductedEnv(motions, engine, controller.env_config)
        stayed_up = _stays_up(env, controller, runs, seconds, seed)
        shares[where] = dict(zip(names, stayed_up, strict=True))
        say(f"{where}: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares[where].items()))
    return GroundReport(shares, seconds, runs)


def _chosen(controller: Controller, clips: Sequence[str]) -> tuple[str, ...]:
    if not controller.has_library:
        raise InputError(
            f"{controller.path}: observes the phase or the number of its clip; choose a controller of a library, such as "
            "`humanoid` or `dog`"
        )
    for name in clips:
        if name not in controller.clips:
            raise InputError(f"{controller.path}: does not have the clip '{name}'; {nearest(name, controller.clips)}")
    names = tuple(dict.fromkeys(clips or [name for name in _USUAL if name in controller.clips]))
    if not names:
        raise InputError(f"{controller.path}: has no walk and no trot; name clips by --clips")
    return names


@torch.no_grad()
def _stays_up(env: ConductedEnv, controller: Controller, runs: int, seconds: float, seed: int) -> list[float]:
    """Return the share of runs without a fall of each clip."""
    clip = torch.arange(env.num_envs) // runs
    obs = env.begin(clip, torch.rand(env.num_envs, generator=torch.Generator().manual_seed(seed)))
    up = torch.ones(env.num_envs, dtype=torch.bool)
    for _ in range(round(seconds / STEP_S)):
        obs = env.control_step(controller.policy.mean(obs))
        up &= ~env.fallen() & ~env.engine.failed()
        if not bool(up.any()):
            break
    return up.float().view(-1, runs).mean(1).tolist()
