"""Draw matplotlib figures without a display, and write their files so that no reader sees half of one."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from mimic.core.errors import InputError
from mimic.core.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of ``width`` x ``height`` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", picture: Path) -> None:
    """Write a figure in the format of the suffix of ``picture``; without a suffix, as a PNG.

    Raises InputError if the format is unknown or the file cannot be written.
    """
    kind = picture.suffix.lower().removeprefix(".") or "png"
    if kind not in FORMATS:
        raise InputError(
            f"{picture}: unknown suffix '{picture.suffix}'; a diagram is written as .{', .'.join(FORMATS)}"
        )
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind, dpi=110)
    write_bytes(picture, drawn.getvalue())
