"""Where the reference faces, smoothed over time: an axis that every motion has, whichever way it was recorded.

The root's heading itself jumps where a body is upside down. The mean over a moment does not, and a smoothed frame turns
as slowly as the motion goes.
"""

import torch
from torch import Tensor

from characters import Character
from mimic.tracking.reference import sample_motion
from mocap.motion import Motion

_HZ = 120.0
_SIGMA_S = 0.25  # of the Gaussian window


def smoothed_heading(motion: Motion, character: Character, rows: int) -> Tensor:
    """Heading of the root as (cos, sin), (rows, 2) float32 unit vectors at ``rows`` times of equal distance.

    A quaternion's twist about z is averaged, weighted by how upright the root is, over a Gaussian window of 0.25 s.
    """
    samples = int(torch.tensor(motion.duration * _HZ).ceil()) + 1
    times = torch.linspace(0, motion.duration, samples, dtype=torch.float64)
    w, _, _, z = sample_motion(motion, character, times).root_quat_w.unbind(-1)
    twist = torch.stack((w.square() - z.square(), 2 * w * z))  # (2, T): squared length times (cos, sin)
    step = motion.duration / (samples - 1)
    half = int(3 * _SIGMA_S / step)
    kernel = torch.exp(-0.5 * (torch.arange(-half, half + 1, dtype=torch.float64) * step / _SIGMA_S) ** 2)
    around = torch.arange(-half, samples + half)
    around = around % (samples - 1) if motion.loop else around.clamp(0, samples - 1)
    smooth = torch.nn.functional.conv1d(twist[:, None, around], (kernel / kernel.sum())[None, None])
    dense = torch.nn.functional.interpolate(smooth.transpose(0, 1), rows, mode="linear", align_corners=True)[0].T
    return (dense / dense.norm(dim=-1, keepdim=True).clamp_min(1e-9)).float()
