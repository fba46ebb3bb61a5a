"""Simulate a controller and return two motions: the simulation at every physics step, and its reference."""

from dataclasses import dataclass, replace

import torch

from characters import Character, CharacterState, load_character
from mimic.core.errors import InputError
from mimic.core.rotations import quat_normalize
from mimic.exporting.requirements import require_one_clip
from mimic.runs.controller import Controller, short_name
from mimic.sim.engines.mujoco import MujocoEngine
from mimic.tracking import Termination, TrackingEnv
from mocap.catalogue import load_clip
from mocap.motion import Motion

_FELL = {int(Termination.FAIL): "fell", int(Termination.DIVERGED): "broke the simulation"}


@dataclass(frozen=True)
class SimulatedMotion:
    """The simulation from the start of the clip, and the reference beside it.

    Attributes:
        simulated: the simulation, one frame a physics step.
        reference: the reference, one frame a control step, where it was in the world at that time.
        cycle_s: length of one cycle of the clip [s].
        turns: whether each cycle starts at the heading that the previous one reached.
        ended: the reason if the simulation is shorter than requested, else None.
        fell: whether the reason is a fall or a diverged simulation.
    """

    simulated: Motion
    reference: Motion
    cycle_s: float
    turns: bool
    ended: str | None
    fell: bool


class _StateLoggingEngine(MujocoEngine):
    """A MuJoCo engine that keeps a copy of the state after every physics step."""

    def __init__(self, character: Character) -> None:
        super().__init__(character, 1, threads=1)
        self.states: list[CharacterState] = []

    def _substep(self) -> None:
        super()._substep()
        self.states.append(self.read())


@torch.no_grad()
def simulate_motion(controller: Controller, seconds: float) -> SimulatedMotion:
    """Simulate a controller for ``seconds`` from the start of its clip, less if it falls or the clip ends.

    Raises:
        InputError: it falls in the first control step, or was trained on several clips.
    """
    require_one_clip(controller)
    motion = load_clip(controller.clip)
    engine = _StateLoggingEngine(load_character(motion.character))
    config = replace(controller.env_config, evaluation_s=seconds + 1.0)
    env = TrackingEnv(motion, engine, config, training=False)
    obs = env.reset(torch.zeros(1, dtype=torch.float64, device=env.device))
    states, references = [engine.read()], [env.tracker.sample().state]
    ended, fell = None, False
    for _ in range(max(1, round(seconds / env.control_dt))):
        engine.states.clear()
        step = env.step(controller.policy.mean(obs))
        obs, end = step.obs, int(step.end[0])
        if end in _FELL:
            fell = True
            ended = f"{_FELL[end]} after {(len(references) - 1) * env.control_dt:.2f} s"
            break
        states += engine.states
        references.append(env.reference.state)
        if end != Termination.NONE:
            ended = "the clip is over"
            break
    if len(references) < 2:
        raise InputError(f"'{controller.clip}': the controller {ended}; there is nothing to export")
    name, simulation = short_name(controller.clip), env.character.simulation
    return SimulatedMotion(
        simulated=_motion(states, simulation.sim_dt, name, env.motion),
        reference=_motion(references, simulation.control_dt, f"{name} reference", env.motion),
        cycle_s=motion.duration,
        turns=env.rules.sync_root_yaw,
        ended=ended,
        fell=fell,
    )


def _motion(states: list[CharacterState], dt: float, name: str, clip: Motion) -> Motion:
    """Make a motion that does not loop of states with one row each, ``dt`` [s] apart."""
    rows = CharacterState.cat(states).to("cpu", torch.float64)
    return Motion(
        name=name,
        character=clip.character,
        joint_names=clip.joint_names,
        times=torch.arange(len(states), dtype=torch.float64) * dt,
        root_pos_w=rows.root_pos_w,
        root_quat_w=quat_normalize(rows.root_quat_w).contiguous(),
        joint_quat=quat_normalize(rows.joint_quat).contiguous(),
        loop=False,
        source=clip.source,
        license=clip.license,
    )
