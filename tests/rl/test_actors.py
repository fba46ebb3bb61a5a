"""Actors collect what one process with all environments collects; losing one costs its experience alone."""

import contextlib
import socket
import threading
import time

import pytest
import torch

from mimic.rl.actor import act
from mimic.rl.actor_group import ActorGroup, ActorsLost
from mimic.rl.actor_server import ActorServer
from mimic.rl.messages import MessageError, receive, send
from mimic.rl.policy import Policy
from mimic.rl.replay import Replay
from mimic.rl.rollout import EpisodeTracker, collect
from mimic.rl.vec_env import Step, Termination
from tests.rl.conftest import SMALL, ToyEnv

STEPS, ENVS = 50, 12


class Counted(ToyEnv):
    """The toy with starts that depend on the number of the environment and episode alone, as those of our tracking tasks do."""

    def __init__(self, num_envs: int = ENVS, first: int = 0) -> None:
        super().__init__(num_envs)
        self.numbers, self.episodes = torch.arange(first, first + num_envs), torch.zeros(num_envs, dtype=torch.int64)
        self.slow_s = 0.0

    def step(self, action: torch.Tensor) -> Step:
        time.sleep(self.slow_s)
        return super().step(action)

    def _restart(self, which: torch.Tensor) -> None:
        self.episodes += which
        self.time = torch.where(which, (17.0 * self.numbers + 5.0 * self.episodes) % 48, self.time)
        self.age = torch.where(which, torch.zeros(()), self.age)
        self.pos = torch.where(which.unsqueeze(-1), self._target(), self.pos)


class Actors:
    """Actors in threads, joined to a group."""

    def __init__(self, places: int, envs: dict[int, Counted] | None = None) -> None:
        self.server, self.envs, self.sockets = ActorServer(), envs or {}, {}
        self.lines: list[str] = []
        self.group = ActorGroup(Counted(1), ENVS, places, self.server, {}, say=self.lines.append)
        for _ in range(places):
            self.start()

    def start(self, token: str | None = None) -> None:
        threading.Thread(target=self._run, args=(token or self.server.token,), daemon=True).start()

    def _run(self, token: str) -> None:
        connection = socket.create_connection((self.server.host, self.server.port))
        send(connection, {}, {"token": token})
        welcome = receive(connection, 1 << 20)
        if welcome is None:
            return
        place, places = welcome[1]["place"], welcome[1]["places"]
        self.sockets[place] = connection
        each = ENVS // places
        env = self.envs.setdefault(place, Counted(each, place * each))
        with contextlib.suppress(OSError):  # where the test has cut the connection
            act(connection, env, STEPS, place, places)


@pytest.fixture
def actors():
    made = []

    def make(places, envs=None):
        made.append(Actors(places, envs))
        return made[-1]

    yield make
    for one in made:
        one.group.close()


def policy():
    torch.manual_seed(0)
    made = Policy(6, 2, SMALL, torch.Generator().manual_seed(1), Counted(1).obs_passthrough_mask)
    made.set_std(0.3)
    return made


def run(env, collect, iterations=3):
    """State of the replay after some iterations, metrics, and the state of the noise."""
    acting, generator, tracker = policy(), torch.Generator().manual_seed(2), EpisodeTracker(ENVS)
    replay = Replay(iterations, STEPS, ENVS, 6, 2)
    replay.next_obs.copy_(env.reset())
    for _ in range(iterations):
        collect(env, acting, replay, STEPS, generator, tracker)
    return replay.state_dict(), tracker.metrics(), generator.get_state()


@pytest.mark.parametrize("places", [1, 2, 3])
def test_actors_collect_what_one_process_does_to_the_bit(actors, places):
    expected, metrics, noise = run(Counted(), collect)
    group = actors(places).group
    found, measured, after = run(group, group.collect)
    assert found.keys() == expected.keys()
    order, other = (torch.argsort(s["final_slot"] * ENVS + s["final_env"]) for s in (found, expected))
    for name, tensor in expected.items():
        mine = found[name]
        if name.startswith("final_"):
            mine, tensor = mine[order], tensor[other]
        assert torch.equal(mine, tensor), name
    assert measured == pytest.approx(metrics, rel=1e-6) and torch.equal(noise, after)
    assert (expected["end"] == int(Termination.CLIP_END)).any() and (expected["end"] == int(Termination.FAIL)).any()


def test_the_environments_of_a_lost_actor_are_cut_until_another_takes_its_place(actors):
    made = actors(2)
    group, acting, generator, tracker = made.group, policy(), torch.Generator().manual_seed(2), EpisodeTracker(ENVS)
    replay = Replay(3, STEPS, ENVS, 6, 2)
    replay.next_obs.copy_(group.reset())
    group.collect(group, acting, replay, STEPS, generator, tracker)
    made.sockets[1].shutdown(socket.SHUT_RDWR)
    group.collect(group, acting, replay, STEPS, generator, tracker)
    assert group.lost == 1 and "actor 1 of 2 is lost" in made.lines[-1]
    newest = replay.slots(STEPS)
    assert replay.valid[newest][:, :6].all() and not replay.valid[newest][:, 6:].any()
    assert (replay.end[newest][:, 6:] == int(Termination.DIVERGED)).all()
    made.start()
    deadline = time.monotonic() + 30.0
    while not group._places[1].ready and time.monotonic() < deadline:
        group._welcome_new()
        group._read_ready()
    group.collect(group, acting, replay, STEPS, generator, tracker)
    assert replay.valid[replay.slots(STEPS)].all()
    assert replay.obs.isfinite().all()


def test_a_late_actor_is_cut_and_counted_and_goes_on(actors, monkeypatch):
    monkeypatch.setattr("mimic.rl.actor_group._LEAST_S", 0.2)
    slow = Counted(6, 6)
    made = actors(2, {1: slow})
    group, acting, generator, tracker = made.group, policy(), torch.Generator().manual_seed(2), EpisodeTracker(ENVS)
    replay = Replay(3, STEPS, ENVS, 6, 2)
    replay.next_obs.copy_(group.reset())
    slow.slow_s = 0.05
    group.collect(group, acting, replay, STEPS, generator, tracker)
    assert group.late == 1 and group.lost == 0
    assert replay.valid[:STEPS, :6].all() and not replay.valid[:STEPS, 6:].any()
    slow.slow_s = 0.0
    while group._places[1].asked >= 0:  # its old block arrives, and is dropped
        group._read(group._places[1], 0.1)
    group.collect(group, acting, replay, STEPS, generator, tracker)
    assert replay.valid[replay.slots(STEPS)].all() and group.late == 1


def test_no_actor_left_ends_the_training_in_one_line(actors, monkeypatch):
    made = actors(1)
    replay = Replay(1, STEPS, ENVS, 6, 2)
    replay.next_obs.copy_(made.group.reset())
    made.sockets[0].shutdown(socket.SHUT_RDWR)
    monkeypatch.setattr("mimic.rl.actor_group._JOIN_S", 0.3)
    with pytest.raises(ActorsLost, match="0 of 1 actors joined within"):
        made.group.collect(made.group, policy(), replay, STEPS, torch.Generator().manual_seed(0), EpisodeTracker(ENVS))


def test_an_actor_without_the_token_is_not_let_in(actors):
    made = actors(1)
    made.group.reset()
    with socket.create_connection((made.server.host, made.server.port)) as stranger:
        send(stranger, {}, {"token": "wrong"})
        assert receive(stranger, 1 << 20) is None
    assert made.server.arrived.empty()


@pytest.mark.parametrize(
    "data, message",
    [
        ((1 << 40).to_bytes(8, "little"), "at most"),
        ((5).to_bytes(8, "little") + b"hello", "not a message of mimic"),
        ((16).to_bytes(8, "little") + (8).to_bytes(8, "little") + b"{}      ", "not a message of mimic"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data, message):
    here, there = socket.socketpair()
    with here, there:
        there.sendall(data)
        with pytest.raises(MessageError, match=message):
            receive(here, 1 << 20)


def test_environments_must_be_divisible_among_the_actors():
    server = ActorServer()
    with pytest.raises(Exception, match="cannot be divided among 5 actors"):
        ActorGroup(Counted(1), ENVS, 5, server, {})
    server.close()
