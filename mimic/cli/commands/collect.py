"""Record a controller's episodes in a file that `train --data` reads."""

import argparse

from mimic.cli.common import say
from mimic.cli.motion_files import known_clip
from mimic.core.errors import InputError
from mimic.rl.collect_episodes import collect_episodes
from mimic.rl.episode_file import write_episodes
from mimic.rl.policy import Policy
from mimic.rl.seeds import generator
from mimic.rl.vec_env import VecEnv

_MAX_ENVS = 64  # episodes side by side
_STEPS = 1000  # and about so many control steps of each: whole episodes overshoot by up to one an environment


def run(args: argparse.Namespace) -> int:
    """Play whole episodes until there are --transitions transitions, and write them to the file --out."""
    num_envs = max(1, min(_MAX_ENVS, args.transitions // _STEPS))
    policy, env, title = _of_task(args, num_envs) if args.task else _of_clip(args, num_envs)
    if args.std is not None:
        policy.set_std(args.std)
    std = float(policy.std.mean())
    say(f"collecting {args.transitions} transitions of '{title}' with {args.controller}, std {std:g}")
    about: dict[str, str | int | float] = {"task": title, "controller": str(args.controller), "std": std}
    episodes = collect_episodes(env, policy, args.transitions, generator(args.seed or 0, "collect"), about)
    write_episodes(args.out, episodes)
    returns, count = episodes.returns(), episodes.length.numel()
    say(
        f"{args.out}: {episodes.reward.numel()} transitions in {count} episodes, return {float(returns.mean()):.1f} each"
    )
    return 0


def _of_task(args: argparse.Namespace, num_envs: int) -> tuple[Policy, VecEnv, str]:
    from mimic.gym_tasks.batched.vec_env import make_task_env
    from mimic.runs.task_controller import check_fits, load_task_controller

    controller = load_task_controller(args.controller)
    env = make_task_env(args.task, num_envs, args.seed or 0, args.threads)
    check_fits(controller, env)
    return controller.policy, env, args.task


def _of_clip(args: argparse.Namespace, num_envs: int) -> tuple[Policy, VecEnv, str]:
    from mimic.runs.controller import load_controller

    controller = load_controller(args.controller)
    if controller.clip != known_clip(controller, args.clip, args.take):
        raise InputError(f"{controller.path}: this controller is of '{controller.clip}', not of '{args.clip}'")
    return controller.policy, controller.make_env(num_envs, args.seed or 0, args.threads), args.clip
