"""Random commands in training: clips to play, speeds to walk at. Each is a hash of (seed, environment, moment)."""

from functools import partial

import torch
from torch import Tensor

from characters import CharacterState
from mimic.core.errors import InputError, nearest
from mimic.motion_graph.conductor import AHEAD_S, Conductor
from mimic.motion_graph.played_starts import PlayedStarts
from mimic.tracking.config import CommandConfig
from mimic.tracking.counter_random import counter_uniform
from mimic.tracking.episodes import Episodes

_WHEN, _WHAT, _ONCE, _KIND, _SPEED, _TURN, _RELEASED, _JUMPS, _WHERE, _PLAYED = range(
    10, 20
)  # streams of random numbers
_RELEASE = 0.25  # share of the steering commands that ask for a stop


class RandomCommands:
    """Gives random commands to the N characters of a conductor, as ``config`` says."""

    def __init__(self, config: CommandConfig, conductor: Conductor, control_dt: float):
        self._config, self._conductor, self._dt = config, conductor, control_dt
        library = conductor.library
        for name in config.clips:
            if name not in library.names:
                raise InputError(
                    f"env.commands.clips: no clip '{name}' in this library; {nearest(name, library.names)}"
                )
        self._clips = torch.tensor([library.index(name) for name in config.clips or library.names])
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
        other = self._other(self._conductor.now.clip[rows], uniform(_WHAT))
        once = uniform(_ONCE) < self._config.once
        self._conductor.request(rows[~steered], other[~steered], once[~steered])
        moves = (uniform(_RELEASED) >= _RELEASE).float()
        speed = (uniform(_SPEED) * self._fastest).float() * moves
        turn = ((2.0 * uniform(_TURN) - 1.0) * self._config.turning).float() * moves
        self._conductor.steer(rows[steered], speed[steered], turn[steered])

    def start(self, episodes: Episodes, rows: Tensor, clip: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw which episodes of ``rows`` (R,), with the clips ``clip`` (R,), begin shortly before a jump.

        Returns:
            The clips (R,) that are asked for (the same one, where none is), whether for one cycle (R,) bool, and the time
            (R,) [s] in ``clip`` at which such an episode begins.
        """
        uniform = partial(episodes.uniform_of_episode, rows)
        other = self._other(clip, uniform(_WHAT))
        wanted = torch.where(uniform(_JUMPS) < self._config.jumps, other, clip)
        once = uniform(_ONCE) < self._config.once
        return (
            wanted,
            once,
            self._conductor.entries.before_jump(clip, wanted, round(AHEAD_S / self._dt), uniform(_WHERE)),
        )

    def begin_played(self, starts: PlayedStarts, episodes: Episodes, rows: Tensor, clip: Tensor) -> CharacterState:
        """Let the episodes of ``rows`` (R,), in the clips ``clip`` (R,), begin where a controller got to; return the states."""
        return starts.begin(self._conductor, rows, clip, episodes.uniform_of_episode(rows, _PLAYED))

    def _other(self, clip: Tensor, uniform: Tensor) -> Tensor:
        """Return one of the clips that are asked for, another than ``clip`` (R,) unless there is none, by ``uniform`` (R,)."""
        own = (self._clips[None, :] == clip[:, None]).long()
        place = torch.where(own.any(1), own.argmax(1), len(self._clips) - 1)
        choices = (len(self._clips) - own.sum(1)).clamp_min(1)
        return self._clips[((uniform * choices).long() + 1 + place) % len(self._clips)]
