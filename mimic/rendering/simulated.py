"""Makes frames of a policy in simulation, with the reference that it follows."""

from collections.abc import Callable

import torch
from torch import Tensor

from mimic.rendering.scene import Frame, Pose
from mimic.tracking import TrackingEnv

START = 0.0  # [s], in the clip: a film begins where the clip begins


@torch.no_grad()
def simulation_frames(env: TrackingEnv, act: Callable[[Tensor], Tensor], seconds: float) -> list[Frame]:
    """Simulate the first environment of ``env`` for ``seconds`` from the start of the clip; return a frame a control step.

    ``act`` maps observations (N, D) to actions (N, A). After a fall the episode restarts, which is a cut in the film.
    """
    obs = env.reset(torch.full((env.num_envs,), START, dtype=torch.float64, device=env.device))
    frames = []
    for index in range(max(1, round(seconds / env.control_dt))):
        step = env.step(act(obs))
        obs = step.obs
        frames.append(post_step_frame(env, (index + 1) * env.control_dt, float(step.reward[0])))
    return frames


def post_step_frame(env: TrackingEnv, time: float, reward: float) -> Frame:
    """Return a frame of the first environment after its last step and before any reset, captioned ``time`` [s], ``reward``."""
    reference = env.kinematics.forward(env.reference.state)
    return Frame(
        time, Pose.of(env.bodies), Pose.of(reference), env.motions[int(env.tracker.current.clip[0])].name, reward
    )


def current_frame(env: TrackingEnv, time: float) -> Frame:
    """Return a frame of the first environment in its present state, which after a reset is an episode's start."""
    bodies, reference = env.kinematics.forward(env.engine.read()), env.kinematics.forward(env.tracker.sample().state)
    return Frame(time, Pose.of(bodies), Pose.of(reference), env.motions[int(env.tracker.current.clip[0])].name)
