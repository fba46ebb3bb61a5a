"""Random commands in training: clips to play, speeds to walk at. Each is a hash of (seed, environment, moment)."""

import torch
from torch import Tensor

from mimic.motion_graph.conductor import Conductor
from mimic.tracking.config import CommandConfig
from mimic.tracking.counter_random import counter_uniform
from mimic.tracking.episodes import Episodes

_WHEN, _WHAT, _ONCE, _KIND, _SPEED, _TURN, _RELEASED = range(10, 17)  # streams of random numbers
_RELEASE = 0.25  # share of the steering commands that ask for a stop


class RandomCommands:
    """Gives random commands to the N characters of a conductor, as ``config`` says."""

    def __init__(self, config: CommandConfig, conductor: Conductor, control_dt: float):
        self._config, self._conductor, self._dt = config, conductor, control_dt
        library = conductor.library
        self._clips = torch.arange(len(library.names))
        self._fastest = float(library.speed[library.gaits[-1]]) if library.gaits else 0.0

    def give(self, episodes: Episodes) -> None:
        """Give a command to some characters, drawn for this control step."""
        due = episodes.uniform_of_step(_WHEN) < self._dt / self._config.every_s
        rows = due.nonzero().squeeze(1)
        if not len(rows):
            return
        moment, env = episodes.moment[rows], episodes.env[rows]

        def uniform(stream: int) -> Tensor:
            return counter_uniform(episodes.seed, env, moment, stream)

        steered = (uniform(_KIND) < self._config.steer) & bool(self._fastest)
        at = self._conductor.now.clip[rows]
        other = ((uniform(_WHAT) * (len(self._clips) - 1)).long() + 1 + at) % len(self._clips)
        once = uniform(_ONCE) < self._config.once
        self._conductor.request(rows[~steered], other[~steered], once[~steered])
        moves = (uniform(_RELEASED) >= _RELEASE).float()
        speed = (uniform(_SPEED) * self._fastest).float() * moves
        turn = ((2.0 * uniform(_TURN) - 1.0) * self._config.turning).float() * moves
        self._conductor.steer(rows[steered], speed[steered], turn[steered])
