"""How well a controller of a library survives the switches of the motion graph: every ordered pair of clips, many times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from characters import load_character
from mimic.core.errors import InputError, nearest
from mimic.core.plotting import new_figure, save_figure
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.entries import STEP_S
from mimic.runs.controller import Controller
from mimic.sim import make_engine
from mimic.tracking.clip_rules import rules_of
from mimic.tracking.termination import forbidden_bodies
from mocap.catalogue import load_clips

BEFORE_S, AFTER_S, JUDGED_S = 1.0, 4.0, 1.0
ON_CLIP_M = 0.15
TWELVE = (
    "walk", "run", "jog", "jump", "cartwheel", "spinkick", "dance_a", "dance_b", "zombie_walk", "stealthy_walk",
    "backflip", "sideflip",
)  # fmt: skip
_BATCH = 704  # characters that are simulated together
_CONTACT_M = 0.001


@dataclass(frozen=True)
class SwitchReport:
    """The result of all switches.

    Attributes:
        clips: the clips, each of which was left for each other one.
        up: (K, K), share of the runs from the row's to the column's clip that were up to the end; 1 on the diagonal.
        survive: share of all runs that were up to the end.
        on_clip: share of all runs that were up and on the new clip after 1 s.
        runs: runs of each pair.
    """

    clips: tuple[str, ...]
    up: Tensor
    survive: float
    on_clip: float
    runs: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields of ``bench switch --json``."""
        pairs = {
            a: {b: float(self.up[i, j]) for j, b in enumerate(self.clips) if i != j} for i, a in enumerate(self.clips)
        }
        return {"pairs": pairs, "survive": self.survive, "on_clip_after_1_s": self.on_clip, "runs": self.runs}


def conducted_env(controller: Controller, clips: Sequence[str], num_envs: int, threads: int = 0) -> ConductedEnv:
    """Make the environment in which ``num_envs`` characters follow commands of ``clips``.

    Raises InputError if the controller cannot follow commands, or a clip is not on this machine.
    """
    controller.check_clips_are_here()
    engine = make_engine(load_character(controller.spec.character), num_envs, threads)
    return ConductedEnv(load_clips("+".join(clips)), engine, controller.env_config)


def bench_switch(
    controller: Controller,
    clips: Sequence[str] = (),
    runs: int = 32,
    seed: int = 0,
    threads: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> SwitchReport:
    """Switch between all ordered pairs of ``clips``, each ``runs`` times at a random phase.

    A character does the first clip for 1 s, from a random phase; then the motion graph is asked for the second. A run is
    up if no body touches the ground in the next 4 s that is forbidden in both clips.

    Args:
        controller: a controller of a library.
        clips: the clips; by default twelve of the humanoid, else all of the controller's.
        runs: of each pair.
        seed: of the phases.
        threads: of the simulation; 0 means all cores.
        say: receives a line of progress after each batch.

    Raises:
        InputError: the controller cannot follow commands, or has not all of the clips.
    """
    names = _chosen(controller, clips)
    pairs = torch.tensor(list(permutations(range(len(names)), 2)))
    pairs = pairs.repeat_interleave(runs, 0)
    phase = torch.rand(len(pairs), generator=torch.Generator().manual_seed(seed))
    up, near = [], []
    size = min(_BATCH, len(pairs))
    env = conducted_env(controller, names, size, threads)
    for begin in range(0, len(pairs), size):
        first = min(begin, len(pairs) - size)  # the last batch repeats some runs, to be of the same size
        done, close = _switch(env, controller, pairs[first : first + size], phase[first : first + size])
        up.append(done[begin - first :])
        near.append(close[begin - first :])
        ended = min(begin + size, len(pairs))
        say(f"{ended} of {len(pairs)} runs, {100 * float(torch.cat(up).float().mean()):.0f} % up")
    return _report(names, torch.cat(up), torch.cat(near), runs)


def _chosen(controller: Controller, clips: Sequence[str]) -> tuple[str, ...]:
    """Return the clips to switch between. Raises InputError for an unknown clip, or fewer than two."""
    if not controller.has_library:
        raise InputError(
            f"{controller.path}: observes the phase or the number of its clip, so it cannot switch; "
            "choose a controller of a library, such as `humanoid` or `dog`"
        )
    usual = TWELVE if controller.spec.character == "humanoid" else controller.clips
    names = tuple(dict.fromkeys(clips or [name for name in usual if name in controller.clips]))
    for name in names:
        if name not in controller.clips:
            raise InputError(f"{controller.path}: does not have the clip '{name}'; {nearest(name, controller.clips)}")
    if len(names) < 2:
        raise InputError(f"a switch needs two different clips; found {', '.join(names)}")
    return names


@torch.no_grad()
def _switch(env: ConductedEnv, controller: Controller, pairs: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Return which runs (N,) stay up, and which are on the new clip after 1 s, for ``pairs`` (N, 2) and ``phase`` (N,)."""
    forbidden = forbidden_contacts(env)
    forbidden = forbidden[pairs[:, 0]] & forbidden[pairs[:, 1]]
    obs = env.begin(pairs[:, 0], phase)
    up = torch.ones(len(pairs), dtype=torch.bool)
    near = torch.zeros_like(up)
    before, after, judged = (round(seconds / STEP_S) for seconds in (BEFORE_S, AFTER_S, JUDGED_S))
    for step in range(before + after):
        if step == before:
            env.conductor.request(torch.arange(len(pairs)), pairs[:, 1])
            obs = env.look()
        obs = env.control_step(controller.policy.mean(obs))
        touching = env.kinematics.lowest_points(env.bodies) < _CONTACT_M
        up &= ~(touching & forbidden).any(1) & env.sim.finite()
        if step == before + judged - 1:
            near = env.body_error() < ON_CLIP_M
    return up, near & up


def forbidden_contacts(env: ConductedEnv) -> Tensor:
    """Return the bodies (K, B) bool that must not touch the ground in each clip of the library."""
    bodies = [body.name for body in env.character.bodies]
    rules = [forbidden_bodies(env.character, rules_of((motion,), env.character)) for motion in env.motions]
    return torch.tensor([[name in one for name in bodies] for one in rules])


def _report(names: tuple[str, ...], up: Tensor, near: Tensor, runs: int) -> SwitchReport:
    table = torch.eye(len(names))
    table[~torch.eye(len(names), dtype=torch.bool)] = up.float().view(-1, runs).mean(1)
    return SwitchReport(names, table, float(up.float().mean()), float(near.float().mean()), runs)


def draw_switches(report: SwitchReport, picture: Path) -> None:
    """Draw the share of runs that stay up, as a table of the clip left (rows) and the clip entered (columns)."""
    size = len(report.clips)
    figure = new_figure(1.5 + 0.55 * size, 1.5 + 0.5 * size)
    axes = figure.add_subplot()
    axes.imshow(report.up, cmap="RdYlGn", vmin=0.0, vmax=1.0)
    for i in range(size):
        for j in range(size):
            if i != j:
                axes.text(j, i, f"{100 * float(report.up[i, j]):.0f}", ha="center", va="center", fontsize=8)
            else:
                axes.text(j, i, "–", ha="center", va="center", fontsize=8)
    axes.set_xticks(range(size), report.clips, rotation=45, ha="right")
    axes.set_yticks(range(size), report.clips)
    axes.set_xlabel("to")
    axes.set_ylabel("from")
    axes.set_title(f"up 4 s after a switch: {100 * report.survive:.0f} % of all runs")
    save_figure(figure, picture)
