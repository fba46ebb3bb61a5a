"""An actor: a process that simulates its share of the environments for a learner in another process.

Each iteration it receives the policy, collects ``steps`` control steps, and sends them. The learner's side is
:mod:`mimic.rl.actor_group`.
"""

import socket

import torch
from torch import Tensor

from mimic.rl.distributed import DistributedContext
from mimic.rl.messages import receive, send
from mimic.rl.policy import load_policy
from mimic.rl.replay import Replay
from mimic.rl.rollout import collect
from mimic.rl.vec_env import Step, VecEnv

MOST_BYTES = 1 << 30  # of a message
INFO = "info/"  # prefix of the entries of `Step.info` in a block


class _Infos:
    """Keeps the entries of `Step.info`, which the learner's `EpisodeTracker` averages."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Tensor]] = []

    def add(self, step: Step) -> None:
        """Keep a step's entries."""
        self.steps.append({name: value.clone() for name, value in step.info.items()})

    def stacked(self) -> dict[str, Tensor]:
        """Each entry (T, n)."""
        names = self.steps[0] if self.steps else {}
        return {f"{INFO}{name}": torch.stack([step[name] for step in self.steps]) for name in names}


def act(connection: socket.socket, env: VecEnv, steps: int, place: int, places: int) -> None:
    """Collect iterations in ``env`` for the learner at the other end of ``connection``, until it closes that.

    The actors with the numbers 0 to ``places`` - 1 share one draw of exploration noise, as the processes of ``torchrun`` do. The
    experience is therefore that of one process with all environments.

    Args:
        connection: to the learner, which has sent its welcome already.
        env: this actor's share of the environments.
        steps: control steps of an iteration.
        place: number of this actor.
        places: number of actors.
    """
    share = DistributedContext(place, places)
    obs = env.reset()
    send(connection, {"obs": obs}, {"kind": "ready"})
    replay: Replay | None = None
    while (message := receive(connection, MOST_BYTES)) is not None:
        tensors, note = message
        generator = torch.Generator()
        generator.set_state(tensors.pop("_rng"))
        policy = load_policy(tensors, note["policy"])
        if replay is None:
            replay = Replay(1, steps, env.num_envs, env.obs_dim, env.act_dim, params_dim=policy.head.width)
            replay.next_obs.copy_(obs)
        env.set_progress(int(note["samples"]))
        infos = _Infos()
        collect(env, policy, replay, steps, generator, infos, share)
        block = {**replay.state_dict(), **infos.stacked(), "_rng": generator.get_state()}
        send(connection, block, {"kind": "block", "number": note["number"]})
