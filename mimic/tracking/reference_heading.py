"""The heading of the reference, smoothed over time: a direction that does not depend on the axes of a recording.

The root's own heading jumps where the character is upside down; its mean over a short time does not.
"""

import torch
from torch import Tensor

HEADING_HZ = 120.0  # enough of the root's orientation
_SIGMA_S = 0.25  # of the Gaussian window


def smoothed_heading(root_quat_w: Tensor, duration: float, loop: bool, rows: int) -> Tensor:
    """Return the smoothed heading of the root as unit vectors (cos, sin), (rows, 2) float32.

    The rotation about z is averaged over a Gaussian window of 0.25 s. An upright root counts more than a tilted one.

    Args:
        root_quat_w: (T, 4) wxyz, at T equally spaced times from 0 to ``duration``.
        duration: length of the motion [s].
        loop: whether the motion loops.
        rows: number of results, at equally spaced times from 0 to ``duration``.
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
