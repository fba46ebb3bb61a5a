"""What became of a run along a path: laps, falls, distance from the path, a picture from above."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mimic.core.plotting import new_figure, save_figure
from mimic.play.paths import PathProgress
from mimic.rendering.scene import Frame


@dataclass(frozen=True)
class PathResult:
    """A run along a path.

    Attributes:
        frames: a picture of the film for every control step.
        points: (P, 2) [m], the path.
        track: (T, 2) [m], the root of the character in every frame.
        distance: (T,) [m] of the root from the path.
        clips: of the reference in every frame.
        laps: how often the path was passed.
        falls: how often the character fell.
    """

    frames: list[Frame]
    points: Tensor
    track: Tensor
    distance: Tensor
    clips: list[str]
    laps: float
    falls: int

    @classmethod
    def of(cls, frames: list[Frame], points: Tensor, clips: list[str], falls: int) -> "PathResult":
        """Measure the track of the character in ``frames`` against the path."""
        progress = PathProgress(points)
        track = torch.stack([frame.sim.pos[0, :2].double() for frame in frames])
        distance = torch.tensor([progress.place(position) for position in track])
        return cls(frames, points, track, distance, clips, progress.laps, falls)

    def to_json(self) -> dict[str, Any]:
        """Return the fields of ``steer --json``."""
        return {
            "laps": self.laps,
            "falls": self.falls,
            "seconds": self.frames[-1].time,
            "from_path_m": {"mean": float(self.distance.mean()), "max": float(self.distance.max())},
        }


def draw_path_result(result: PathResult, names: Sequence[str], picture: Path) -> None:
    """Draw the path and the track of the root from above, coloured by the clip."""
    figure = new_figure(7.0, 5.0)
    axes = figure.add_subplot()
    axes.plot(*result.points.T, color="0.75", linewidth=6.0, label="path")
    for name in names:
        there = torch.tensor([clip == name for clip in result.clips])
        if bool(there.any()):
            axes.plot(*result.track[there].T, ".", markersize=3.0, label=name)
    axes.set_aspect("equal")
    axes.set_xlabel("m")
    axes.set_ylabel("m")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize="small")
    axes.set_title(f"{result.laps:.2f} laps, {100 * float(result.distance.mean()):.0f} cm from the path on average")
    save_figure(figure, picture)
