"""From configurations to a learner for an environment."""

from mimic.learn.awr import AWR, AWRConfig
from mimic.learn.learner import Learner
from mimic.learn.policy import Critic, GaussianPolicy, PolicyConfig
from mimic.learn.ppo import PPO, PPOConfig
from mimic.learn.ranks import ALONE, Ranks
from mimic.learn.seeds import generator
from mimic.learn.vec_env import VecEnv


def make_learner(
    env: VecEnv, policy: PolicyConfig, algorithm: AWRConfig | PPOConfig, seed: int, ranks: Ranks = ALONE
) -> Learner:
    """Fresh networks of the environment's sizes on its device, and the learner ``algorithm`` stands for."""
    initial = generator(seed, "networks")
    actor = GaussianPolicy(env.obs_dim, env.act_dim, policy, initial, env.unnormalized_obs).to(env.device)
    critic = Critic(env.obs_dim, policy, algorithm.gamma, initial).to(env.device)
    order = generator(seed, "minibatches", env.device)
    if isinstance(algorithm, AWRConfig):
        return AWR(actor, critic, algorithm, order, env.action_low, env.action_high, ranks)
    return PPO(actor, critic, algorithm, order, env.action_low, env.action_high, ranks)
