"""A learner's environments that actors simulate, in other processes or on other machines.

``ActorGroup`` is the learner's environment, and its ``collect`` takes the place of :func:`mimic.rl.rollout.collect`. If no actor is
lost, the result is that of one process with all environments, up to the rounding of matrix products of fewer rows. Steps of an actor that is lost or late are marked
``Termination.DIVERGED``: the learner cuts the episodes there and learns from the others.
"""

import queue
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from mimic.core.errors import InputError
from mimic.rl.actor import INFO
from mimic.rl.actor_server import ActorServer, Connection
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.policy import Policy
from mimic.rl.replay import Replay
from mimic.rl.rollout import EpisodeTracker
from mimic.rl.vec_env import Step, Termination, VecEnv, choices_of

_JOIN_S = 300.0  # for all actors to join at first
_LEAST_S = 5.0  # an actor is never called late before
_PATIENCE = 4.0  # an actor is late after so many times the time of the first one
_FIELDS = ("obs", "action", "mean", "reward", "log_prob", "end", "valid")  # of a block, each (T, n, ...)


class ActorsLost(InputError):
    """Raised if no actor is left, or none came."""

    exit_code = 1


class _Place:
    """One actor's share of the environments: the rows ``first`` to ``last``."""

    def __init__(self, first: int, last: int) -> None:
        self.rows = slice(first, last)
        self.connection: Connection | None = None
        self.ready = False  # its environment is made
        self.asked = -1  # number of the iteration that it was last asked for and has not sent


class ActorGroup:
    """The environments of ``places`` actors side by side.

    Attributes:
        lost: how many connections broke so far.
        late: how many iterations of an actor came too late so far.
    """

    resumable = False

    def __init__(
        self,
        one: VecEnv,
        num_envs: int,
        places: int,
        server: ActorServer,
        welcome: Mapping[str, Any],
        tend: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Make the group; actors are accepted from the first ``reset`` on.

        Args:
            one: an environment of the same task, of any number, for sizes and bounds.
            num_envs: number of environments of all actors.
            places: number of actors.
            server: accepts actors.
            welcome: what an actor needs to make its environment, as JSON; its ``place`` and ``places`` are added.
            tend: called often, so that the caller can start another actor where one has ended.
            say: receives a line for each actor that joins or is lost.

        Raises:
            InputError: ``num_envs`` cannot be divided by ``places``.
        """
        if num_envs % places:
            raise InputError(
                f"{num_envs} environments cannot be divided among {places} actors; choose another --actors"
            )
        self.num_envs, self.obs_dim, self.act_dim = num_envs, one.obs_dim, one.act_dim
        self.device, self.choices = torch.device("cpu"), choices_of(one)
        self.obs_passthrough_mask = one.obs_passthrough_mask
        self.action_low, self.action_high = one.action_low, one.action_high
        self.lost = self.late = 0
        each = num_envs // places
        self._places = [_Place(i * each, (i + 1) * each) for i in range(places)]
        self._server, self._welcome, self._tend, self._say = server, welcome, tend, say
        self._next_obs = torch.zeros(num_envs, one.obs_dim)
        self._samples, self._number = 0, 0

    def reset(self) -> Tensor:
        """Wait until all actors have joined, and return the first observations (N, D). Raises ActorsLost."""
        self._wait_for(len(self._places))
        return self._next_obs.clone()

    def observation(self) -> Tensor:
        """Return the first observations of the episodes, which begin anew when a run is resumed."""
        return self.reset()

    def step(self, action: Tensor) -> Step:
        """Raise TypeError: actors step on their own, by :meth:`collect`."""
        raise TypeError("an ActorGroup collects whole iterations")

    def state_dict(self) -> dict[str, Tensor]:
        """Return nothing: the episodes of actors begin anew."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Do nothing."""

    def set_progress(self, samples: int) -> None:
        """Tell the actors' curricula, with the next iteration, how many samples the learner has seen."""
        self._samples = samples

    def close(self) -> None:
        """Close all connections, so that the actors end."""
        self._server.close()
        for place in self._places:
            if place.connection:
                place.connection.close()

    @torch.no_grad()
    def collect(
        self,
        env: VecEnv,
        policy: Policy,
        replay: Replay,
        steps: int,
        generator: torch.Generator,
        tracker: EpisodeTracker,
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        """Collect ``steps`` control steps of all actors into ``replay``; as :func:`mimic.rl.rollout.collect` does.

        If all are lost, it waits for others. Raises ActorsLost if none comes.
        """
        blocks: dict[int, dict[str, Tensor]] = {}
        while not blocks:
            self._wait_for(1)
            self._number += 1
            self._ask(policy, generator)
            blocks = self._blocks()
        generator.set_state(next(iter(blocks.values()))["_rng"])
        self._join(blocks, policy, replay, steps, tracker)

    def _wait_for(self, count: int) -> None:
        """Let new actors join, and wait until at least ``count`` actors are ready. Raises ActorsLost."""
        end = time.monotonic() + _JOIN_S
        self._tend()
        self._welcome_new()
        self._read_ready()
        while (ready := sum(place.ready for place in self._places)) < count:
            if time.monotonic() > end:
                raise ActorsLost(
                    f"{ready} of {len(self._places)} actors joined within {_JOIN_S:g} s; the run can be resumed"
                )
            self._tend()
            self._welcome_new(wait_s=0.1)
            self._read_ready()

    def _ask(self, policy: Policy, generator: torch.Generator) -> None:
        """Ask every actor that is not late for this iteration."""
        tensors = {**policy.state_dict(), "_rng": generator.get_state()}
        note = {"policy": policy.describe(), "samples": self._samples, "number": self._number}
        for place in self._places:
            if place.ready and place.asked < 0 and place.connection:
                place.asked = self._number
                if not place.connection.send(tensors, note):
                    self._lose(place)

    def _blocks(self) -> dict[int, dict[str, Tensor]]:
        """Wait for this iteration's blocks, by place; an actor that takes far longer than the first is late."""
        begin, blocks = time.monotonic(), {}
        end = begin + _JOIN_S
        expected = {i for i, place in enumerate(self._places) if place.asked == self._number}
        while expected and time.monotonic() < end:
            for index in sorted(expected):
                if (block := self._read(self._places[index], 0.01)) is not None:
                    blocks[index] = block
                if index in blocks or self._places[index].connection is None:
                    expected.discard(index)
            if len(blocks) == 1 and end - begin == _JOIN_S:
                end = begin + max(_LEAST_S, _PATIENCE * (time.monotonic() - begin))
        for index in sorted(expected):
            self.late += 1
            self._say(f"actor {index} of {len(self._places)} is late; this iteration goes without its environments")
        return blocks

    def _read(self, place: _Place, wait_s: float) -> dict[str, Tensor] | None:
        """Return the block of this iteration if ``place`` has sent it within ``wait_s``; an older one is dropped."""
        if place.connection is None:
            return None
        try:
            message = place.connection.inbox.get(timeout=wait_s)
        except queue.Empty:
            return None
        if message is None or message[1].get("kind") != "block" or not self._fits(message[0], place):
            self._lose(place)
            return None
        place.asked = -1
        self._next_obs[place.rows] = message[0]["last_obs"]
        return message[0] if message[1].get("number") == self._number else None

    def _fits(self, block: Mapping[str, Tensor], place: _Place) -> bool:
        count = place.rows.stop - place.rows.start
        fields = all(name in block and block[name].shape[1:2] == (count,) for name in _FIELDS)
        rest = all(name in block for name in ("std", "final_slot", "final_env", "final_obs", "_rng"))
        return fields and rest and block.get("last_obs", torch.empty(0)).shape == (count, self.obs_dim)

    def _join(
        self,
        blocks: Mapping[int, Mapping[str, Tensor]],
        policy: Policy,
        replay: Replay,
        steps: int,
        tracker: EpisodeTracker,
    ) -> None:
        """Write the blocks into ``replay``, side by side; rows without a block are cuts in time."""
        whole = Replay(1, steps, self.num_envs, self.obs_dim, self.act_dim, params_dim=policy.head.width)
        whole.size = steps  # so that `state_dict` gives all time slots, which are zero
        state = whole.state_dict() | {"position": torch.tensor([0, steps])}
        state["end"].fill_(int(Termination.DIVERGED))
        state["valid"].fill_(False)
        state["obs"].copy_(replay.next_obs)
        finals: list[tuple[Tensor, Tensor, Tensor]] = []
        infos: dict[str, Tensor] = {}
        for index, block in sorted(blocks.items()):
            rows = self._places[index].rows
            for name in _FIELDS:
                state[name][:, rows] = block[name]
            state["std"] = block["std"]
            finals.append((block["final_slot"], block["final_env"] + rows.start, block["final_obs"]))
            for name in (name for name in block if name.startswith(INFO)):
                infos.setdefault(name, torch.zeros(steps, self.num_envs))[:, rows] = block[name]
        for key, parts in zip(("final_slot", "final_env", "final_obs"), zip(*finals, strict=True), strict=True):
            state[key] = torch.cat(parts)
        state["last_obs"] = self._next_obs
        whole.load_state_dict(state)
        replay.extend(whole)
        for t in range(steps):
            info = {name.removeprefix(INFO): value[t] for name, value in infos.items()}
            tracker.add(Step(whole.next_obs, whole.reward[t], whole.end[t], whole.next_obs, info))

    def _welcome_new(self, wait_s: float = 0.0) -> None:
        """Give each actor that has arrived a free place, and close the connections of others."""
        while True:
            try:
                connection = self._server.arrived.get(timeout=wait_s) if wait_s else self._server.arrived.get_nowait()
            except queue.Empty:
                return
            free = [i for i, place in enumerate(self._places) if place.connection is None]
            note = {**self._welcome, "kind": "welcome", "place": free[0] if free else -1, "places": len(self._places)}
            if not free or not connection.send({}, note):
                connection.close()
                continue
            self._places[free[0]].connection = connection
            self._say(f"actor {free[0]} of {len(self._places)} joins from {connection.address}")

    def _read_ready(self) -> None:
        """Note which actors have made their environments."""
        for place in self._places:
            if place.connection is None or place.ready:
                continue
            try:
                message = place.connection.inbox.get_nowait()
            except queue.Empty:
                continue
            obs = message[0].get("obs") if message and message[1].get("kind") == "ready" else None
            if obs is None or obs.shape != self._next_obs[place.rows].shape:
                self._lose(place)
                continue
            self._next_obs[place.rows] = obs
            place.ready = True

    def _lose(self, place: _Place) -> None:
        index = self._places.index(place)
        if place.connection:
            place.connection.close()
        place.connection, place.ready, place.asked = None, False, -1
        self.lost += 1
        self._say(f"actor {index} of {len(self._places)} is lost; training goes on without its environments")
