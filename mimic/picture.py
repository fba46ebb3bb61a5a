"""Diagrams: made without a display, written whole."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from characters.errors import InputError


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` x ``height`` inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_picture(figure: Figure, picture: Path) -> None:
    """Write a figure as a PNG, whatever the suffix. Raises InputError where it cannot be written."""
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture, format="png", dpi=110)
    except OSError as error:
        raise InputError(f"{picture}: cannot be written ({error.strerror})") from None
