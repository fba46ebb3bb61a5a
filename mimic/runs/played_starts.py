"""Let a controller perform every clip up to a jump, so that training episodes can begin there."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from characters import CharacterState, load_character
from mimic.core.errors import InputError
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.conductor import AHEAD_S
from mimic.motion_graph.entries import STEP_S
from mimic.motion_graph.played_starts import PlayedStarts
from mimic.runs.controller import load_controller
from mimic.sim import make_engine
from mimic.tracking import EnvConfig
from mocap.motion import Motion

_CHARACTERS = 768
_FIRST_STEP = 10  # at which a character may be told to leave its clip
_STEPS = 35  # within which all are told
_LOST_M = 0.25  # mean distance of the bodies, beyond which a character has lost its clip


@torch.no_grad()
def played_starts(motions: Sequence[Motion], config: EnvConfig, seed: int, threads: int) -> PlayedStarts:
    """Let the controller ``config.commands.played_by`` perform ``motions`` up to jumps to the clips that are asked for.

    A character that has lost its clip by then gives no start.

    Raises InputError if there is no such controller, or it observes something else.
    """
    if config.commands is None:
        raise ValueError("without commands there are no jumps")
    player = load_controller(config.commands.played_by)
    if player.env_config.observation != config.observation:
        raise InputError(
            f"env.commands.played_by={config.commands.played_by}: observes something else than the learner"
        )
    engine = make_engine(load_character(motions[0].character), _CHARACTERS, threads)
    env = ConductedEnv(motions, engine, replace(config, commands=None))
    names = env.library.names
    draws = torch.Generator().manual_seed(seed)
    wanted = [names.index(name) for name in config.commands.clips or names]
    pairs = torch.tensor([(a, b) for a in range(len(names)) for b in wanted if a != b])
    clip, target = pairs[torch.arange(_CHARACTERS) % len(pairs)].T
    told = torch.randint(0, _STEPS, (_CHARACTERS,), generator=draws)
    ahead = torch.randint(0, round(AHEAD_S / STEP_S) + 1, (_CHARACTERS,), generator=draws)
    obs = env.begin(clip, torch.rand(_CHARACTERS, generator=draws))
    for _ in range(_FIRST_STEP):
        obs = env.control_step(player.policy.mean(obs))
    done = torch.zeros(_CHARACTERS, dtype=torch.bool)
    parts: list[tuple[torch.Tensor, CharacterState, dict[str, torch.Tensor]]] = []
    for step in range(_STEPS + round(float(env.library.seconds.max()) / STEP_S)):
        rows = (told == step).nonzero().squeeze(1)
        env.conductor.request(rows, target[rows])
        obs = env.look()
        near = (env.conductor.wait <= ahead) | (env.conductor.now.clip != clip)
        ready = ((told <= step) & near & ~done).nonzero().squeeze(1)
        done[ready] = True
        ready = ready[(env.body_error() < _LOST_M)[ready]]
        state = {name: value[ready].clone() for name, value in env.conductor.state().items()}
        parts.append((clip[ready], env.sim[ready], state))
        obs = env.control_step(player.policy.mean(obs))
    states = {name: torch.cat([part[2][name] for part in parts]) for name in parts[0][2]}
    return PlayedStarts.of(
        CharacterState.cat([part[1] for part in parts]), states, torch.cat([part[0] for part in parts]), len(names)
    )
