"""A policy at work as frames to draw: the simulation, and the reference it follows."""

from collections.abc import Callable

import torch
from torch import Tensor

from characters import Kinematics
from mimic.env import TrackingEnv
from mimic.render.scene import Frame, Pose

START = 0.0  # of the clip [s]: a film begins where the clip does


@torch.no_grad()
def simulation_frames(env: TrackingEnv, act: Callable[[Tensor], Tensor], seconds: float) -> list[Frame]:
    """``seconds`` of the first environment of ``env``, from the start of the clip, one frame a control step.

    After a fall the episode starts anew, as a cut in the film.
    """
    kinematics = Kinematics(env.character, env.device)
    obs = env.reset(torch.full((env.num_envs,), START, dtype=torch.float64, device=env.device))
    frames = []
    for index in range(max(1, round(seconds / env.control_dt))):
        step = env.step(act(obs))
        obs = step.obs
        reference = kinematics.forward(env.reference.state)
        frames.append(
            Frame(
                time=(index + 1) * env.control_dt,
                sim=Pose.of(env.bodies),
                reference=Pose.of(reference),
                clip=env.motions[int(env.clock.now.clip[0])].name,
                reward=float(step.reward[0]),
            )
        )
    return frames
