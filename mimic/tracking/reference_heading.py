"""Where the reference faces, smoothed over time: an axis that every motion has, whichever way it was recorded.

The root's heading itself jumps where a body is upside down. The mean over a moment does not, and a smoothed frame turns
as slowly as the motion goes.
"""

import torch
from torch import Tensor

HEADING_HZ = 120.0  # enough of the root's orientation
_SIGMA_S = 0.25  # of the Gaussian window


def smoothed_heading(root_quat_w: Tensor, duration: float, loop: bool, rows: int) -> Tensor:
    """Heading of the root as (cos, sin), (rows, 2) float32 unit vectors at ``rows`` times from 0 to ``duration``.

    A quaternion's twist about z is averaged, weighted by how upright the root is, over a Gaussian window of 0.25 s.

    Args:
        root_quat_w: (T, 4) wxyz, at T times from 0 to ``duration``.
        duration: [s].
        loop: whether the motion wraps.
        rows: number of results.
    """
    samples = len(root_quat_w)
    w, _, _, z = root_quat_w.unbind(-1)
    twist = torch.stack((w.square() - z.square(), 2 * w * z))  # (2, T): squared length times (cos, sin)
    step = duration / (samples - 1)
    half = int(3 * _SIGMA_S / step)
    kernel = torch.exp(-0.5 * (torch.arange(-half, half + 1, dtype=torch.float64) * step / _SIGMA_S) ** 2)
    around = torch.arange(-half, samples + half)
    around = around % (samples - 1) if loop else around.clamp(0, samples - 1)
    smooth = torch.nn.functional.conv1d(twist[:, None, around], (kernel / kernel.sum())[None, None])
    dense = torch.nn.functional.interpolate(smooth.transpose(0, 1), rows, mode="linear", align_corners=True)[0].T
    return (dense / dense.norm(dim=-1, keepdim=True).clamp_min(1e-9)).float()
