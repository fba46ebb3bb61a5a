"""Behavioural cloning finds a teacher's function."""

import torch

from mimic.rl.cloning import Cloner, CloningConfig
from mimic.rl.demonstration_buffer import Demonstrations
from mimic.rl.policy import Policy, PolicyConfig


def student(dim=3, act=2):
    policy = Policy(dim, act, PolicyConfig(actor_sizes=(32,)), torch.Generator().manual_seed(0))
    policy.normalizer.update(torch.randn(1000, dim, generator=torch.Generator().manual_seed(1)))
    return policy


def test_the_average_of_the_student_does_what_the_teacher_does():
    random, cloner = torch.Generator().manual_seed(2), Cloner(student(), CloningConfig(batch=256, ema=0.98))
    data = Demonstrations(4000, 2, cloner.actor.normalizer)
    obs = torch.randn(4000, 3, generator=random)
    teacher = torch.stack((obs[:, 0].tanh(), obs[:, 1] - 0.5 * obs[:, 2]), 1)
    data.add(obs, teacher, torch.ones(4000))
    cloner.learn(data, 400, 4000, 1.0, random)
    cloner.learn(data, 100, 4000, 0.1, random)
    with torch.no_grad():
        error = cloner.actor.mean(obs) - teacher
    assert float(error.square().mean()) < 0.05 * float(teacher.square().mean())


def test_a_demonstration_without_weight_is_not_learned():
    random, cloner = torch.Generator().manual_seed(2), Cloner(student(), CloningConfig(batch=64))
    data = Demonstrations(100, 2, cloner.actor.normalizer)
    obs = torch.randn(100, 3, generator=random)
    before = cloner.actor.mean(obs)
    data.add(obs, torch.ones(100, 2), torch.zeros(100))
    assert cloner.learn(data, 20, 100, 1.0, random) == 0.0
    assert torch.equal(cloner.actor.mean(obs), before)
