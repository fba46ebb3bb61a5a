"""A run whose environments actors simulate learns what one process learns, up to rounding."""

import socket
import threading

import pytest
import torch

from mimic.cli.main import main
from mimic.core import checkpoint
from mimic.core.errors import InputError
from mimic.rl.progress import Silent
from mimic.runs.actors import TOKEN, ActorPlan, join_as_actor
from mimic.runs.preset import load_preset
from mimic.runs.run_config import tracking_run
from mimic.runs.training import StopCriteria, train
from tests.motion_samples import clip_or_skip

SMALL = (
    "num_envs=8",
    "policy.actor_sizes=[16]",
    "policy.critic_sizes=[16]",
    "trainer.evaluate_every=0",
    "trainer.tensorboard=false",
    "awr.rollout.steps=4",
)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def run():
    clip_or_skip("walk")
    return tracking_run("walk", load_preset("fast", SMALL))


def test_two_actors_and_a_learner_train_as_one_process(run, tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN, "secret")
    until, port = StopCriteria(samples=3 * 32), free_port()
    one = train(run, tmp_path / "one", until, 1, Silent())
    joined = [threading.Thread(target=join_when_it_listens, args=(port,), daemon=True) for _ in range(2)]
    for thread in joined:
        thread.start()
    other = train(run, tmp_path / "other", until, 1, Silent(), actors=ActorPlan(2, ("127.0.0.1", port)))
    for thread in joined:
        thread.join(10.0)
        assert not thread.is_alive(), "an actor ends when its learner does"
    found, expected = checkpoint.load(other.checkpoint), checkpoint.load(one.checkpoint)
    assert found.step == expected.step == 3
    assert torch.equal(found.tensors["explore"]["rng"], expected.tensors["explore"]["rng"])
    for group in ("policy", "critic", "replay"):  # a matrix product of fewer rows may round otherwise
        for name, tensor in expected.tensors[group].items():
            torch.testing.assert_close(found.tensors[group][name], tensor, rtol=1e-3, atol=1e-4, msg=f"{group} {name}")
    resumed = train(run, tmp_path / "other", StopCriteria(samples=4 * 32), 1, Silent(), resume=True)
    assert resumed.iterations == 4, "a run of actors goes on without them"


def join_when_it_listens(port: int) -> None:
    while True:
        try:
            return join_as_actor(("127.0.0.1", port), 1)
        except InputError as error:
            if "no learner answers" not in str(error):
                raise


@pytest.mark.parametrize(
    "words, message",
    [
        (["actor", "here"], "must be HOST:PORT"),
        (["actor", "127.0.0.1:99999"], "must be HOST:PORT"),
        (["train", "--clip", "walk", "--listen", "127.0.0.1:7000"], "--listen belongs to --actors"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys):
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_an_actor_says_what_is_missing(monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    with pytest.raises(InputError, match=f"set {TOKEN}"):
        join_as_actor(("127.0.0.1", free_port()), 1)
    monkeypatch.setenv(TOKEN, "x")
    with pytest.raises(InputError, match="no learner answers"):
        join_as_actor(("127.0.0.1", free_port()), 1)


def test_environments_that_cannot_be_divided_are_refused_before_anything_starts(run, tmp_path):
    with pytest.raises(InputError, match="8 environments cannot be divided among 3 actors"):
        train(run, tmp_path / "run", StopCriteria(samples=32), 1, Silent(), actors=ActorPlan(3))
