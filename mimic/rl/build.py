"""From configurations to a learner for an environment."""

import torch

from mimic.rl.algorithms.awr import AWR, AWRConfig
from mimic.rl.algorithms.ppo import PPO, PPOConfig
from mimic.rl.distributed import ALONE, Ranks
from mimic.rl.learner import Learner
from mimic.rl.policy import Critic, GaussianPolicy, PolicyConfig
from mimic.rl.seeds import generator
from mimic.rl.vec_env import VecEnv


def make_learner(
    env: VecEnv,
    policy: PolicyConfig,
    algorithm: AWRConfig | PPOConfig,
    seed: int,
    ranks: Ranks = ALONE,
    device: torch.device | str | None = None,
) -> Learner:
    """Fresh networks of the environment's sizes, and the learner ``algorithm`` stands for, on its device or another."""
    device = env.device if device is None else torch.device(device)
    low, high = env.action_low.to(device), env.action_high.to(device)
    initial = generator(seed, "networks")
    actor = GaussianPolicy(env.obs_dim, env.act_dim, policy, initial, env.unnormalized_obs).to(device)
    critic = Critic(env.obs_dim, policy, algorithm.gamma, initial).to(device)
    order = generator(seed, "minibatches", device)
    if isinstance(algorithm, AWRConfig):
        return AWR(actor, critic, algorithm, order, low, high, ranks)
    return PPO(actor, critic, algorithm, order, low, high, ranks)
