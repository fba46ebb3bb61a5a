"""Draw the footfall diagram: the contacts of each foot, in one episode and averaged over all episodes.

Each foot has a row, in which the simulation is above the clip.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from mimic.core.plotting import new_figure, save_figure
from mimic.evaluation.contact_intervals import Array, FootContacts, Footfalls

_COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#b5438f", "#7570b3", "#666666")
_GREY = "#b0b0b0"
_CYCLES, _LONGEST_S = 4, 6.0
_BINS = 60


def draw_footfalls(found: Footfalls, picture: Path) -> None:
    """Draw the diagram and write it as the file ``picture``. Raises InputError if the file cannot be written."""
    figure = new_figure(11.0, 1.2 + 0.75 * len(found.feet))
    one, average = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    episode = int(np.argmax([feet[0].end - feet[0].start for feet in found.simulation]))
    _draw_episode(one, found, episode)
    _draw_average(average, found)
    one.set_yticks([0.5 + row for row in range(len(found.feet))], found.labels[::-1])
    one.set_ylim(0, len(found.feet))
    one.tick_params(axis="y", length=0)
    figure.suptitle(f"{found.clip}: which foot is down when. Colour: simulation. Grey: the clip.", fontsize=11)
    save_figure(figure, picture)


def _draw_episode(axes: Axes, found: Footfalls, episode: int) -> None:
    first = found.simulation[episode][0].start
    # start at the beginning of a cycle if the episode has a whole one
    begin = np.ceil(first / found.cycle_s) * found.cycle_s if found.loop else first
    last = found.simulation[episode][0].end
    begin = float(begin if begin + found.cycle_s <= last else first)
    end = min(last, begin + _cycles(found.cycle_s) * found.cycle_s)
    for row, f in enumerate(reversed(range(len(found.feet)))):
        _draw_bars(axes, found.simulation[episode][f], begin, end, row + 0.52, _COLOURS[f % len(_COLOURS)])
        _draw_bars(axes, found.reference[episode][f], begin, end, row + 0.14, _GREY)
    for k in range(round((end - begin) / found.cycle_s) + 1):
        axes.axvline(k * found.cycle_s, color="black", linewidth=0.6, alpha=0.5)
    axes.set(xlabel="seconds; a line where the cycle begins", title="one episode", xlim=(0, max(end - begin, 0.1)))


def _cycles(cycle_s: float) -> int:
    return max(1, min(_CYCLES, int(_LONGEST_S / cycle_s)))


def _draw_bars(axes: Axes, contacts: FootContacts, begin: float, end: float, bottom: float, colour: str) -> None:
    cut = [(max(a, begin), min(b, end)) for a, b in contacts.spans()]
    bars = [(a - begin, b - a) for a, b in cut if b > a]
    axes.broken_barh(bars, (bottom, 0.34), facecolors=colour)


def _draw_average(axes: Axes, found: Footfalls) -> None:
    for row, f in enumerate(reversed(range(len(found.feet)))):
        sim = share_down([feet[f] for feet in found.simulation], found.cycle_s)
        ref = share_down([feet[f] for feet in found.reference], found.cycle_s)
        edges = np.linspace(0, 1, _BINS + 1)
        axes.stairs(row + 0.1 + 0.8 * ref, edges, baseline=row + 0.1, fill=True, color=_GREY)
        axes.stairs(row + 0.1 + 0.8 * sim, edges, baseline=None, color=_COLOURS[f % len(_COLOURS)], linewidth=1.6)
    axes.set(xlabel="share of the cycle", title="all episodes: how often it is down", xlim=(0, 1))


def share_down(episodes: list[FootContacts], cycle_s: float) -> Array:
    """Return the share of the episodes in which a foot is on the ground, for 60 phases of the cycle: (60,) in [0, 1].

    The share is 0 at phases that no episode reached.
    """
    down, seen = np.zeros(_BINS), np.zeros(_BINS)
    width = cycle_s / _BINS
    for contacts in episodes:
        bins = np.arange(int(np.ceil(contacts.start / width)), int(contacts.end / width))
        middles = (bins + 0.5) * width
        inside = np.zeros(len(bins), dtype=bool)
        for begin, end in contacts.spans():
            inside |= (middles >= begin) & (middles < end)
        np.add.at(seen, bins % _BINS, 1.0)
        np.add.at(down, bins % _BINS, inside)
    return down / np.maximum(seen, 1.0)
