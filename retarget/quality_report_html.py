"""Writes the quality report as one self-contained HTML page: verdicts, a strip of stick figures, curves over time."""

from __future__ import annotations

import html
from collections.abc import Sequence

import torch
from torch import Tensor

from mimic.core.rotations import heading_angle, quat_from_yaw, quat_rotate_inverse
from retarget.configuration import Configuration, KinematicTree
from retarget.quality_report import QualityReport

_POSES = 10
_WIDTH, _STRIP, _PLOT = 960, 220, 130
_COLOURS = {"left": "#3887c7", "right": "#e8693f", "": "#555"}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:980px;margin:2em auto;padding:0 1em;color:#222;background:#fff}
table{border-collapse:collapse;width:100%}td,th{padding:.25em .6em;text-align:left;border-bottom:1px solid #ddd}
td.n{text-align:right;font-variant-numeric:tabular-nums}.pass{color:#1a7f37}.warn{color:#9a6700}.fail{color:#cf222e}
.verdict{font-weight:600;padding:.1em .6em;border-radius:.4em;border:1px solid currentColor}small{color:#666}
svg{display:block;width:100%;height:auto;margin:.3em 0 1em;background:#f6f8fa}
"""


def quality_report_html(card: QualityReport) -> str:
    """Return the quality report as one HTML page."""
    motion, verdict = card.motion, card.verdict
    title = html.escape(f"{motion.name} on {card.character.name}")
    rows = "".join(
        f"<tr><td>{html.escape(c.label)}</td><td class=n>{c.value:g} {c.unit}</td>"
        f"<td class={c.verdict}>{c.verdict}</td><td><small>{html.escape(c.threshold)}</small></td>"
        f"<td>{html.escape(c.remedy)}</td></tr>"
        for c in card.checks
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in card.notes)
    about = f"{motion.num_frames} frames, {motion.fps:g} frames/s, {motion.duration:.2f} s, " + (
        "loops" if motion.loop else "plays once"
    )
    plots = "".join(f"<h3>{html.escape(name)}</h3>{svg}" for name, svg in _plots(card))
    licence = f"<p><small>{html.escape(motion.license)}</small></p>" if motion.license else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title} <span class='verdict {verdict}'>{verdict}</span></h1><p>{about}</p>{_strip(card)}"
        f"<table><tr><th>figure<th>value<th><th>threshold<th>what to do</tr>{rows}</table>"
        f"<ul>{notes}</ul>{plots}{licence}</html>\n"
    )


def _strip(card: QualityReport) -> str:
    """Return an SVG of ten stick figures from the side, evenly spaced in time; a grey line is the ground."""
    motion = card.motion
    tree = KinematicTree(card.character)
    frames = torch.linspace(0, motion.num_frames - 1, _POSES).round().long()
    configuration = Configuration.of(motion)[frames]
    pos = tree.forward(configuration).pos
    heading = quat_from_yaw(heading_angle(motion.root_quat_w[:1]))[:, None]
    side = quat_rotate_inverse(heading.expand(len(pos), 1, 4), pos - configuration.root_pos[:, None])
    side[..., 2] += configuration.root_pos[:, None, 2]
    reach = max(0.6, float(side[..., 2].max()), float(side[..., 0].abs().max()))
    scale = min((_STRIP - 40) / reach, _WIDTH / _POSES / (2 * float(side[..., 0].abs().max().clamp_min(0.3))))
    ground = _STRIP - 25
    lines = [f"<line x1=0 y1={ground} x2={_WIDTH} y2={ground} stroke='#bbb'/>"]
    for i, figure in enumerate(side):
        middle = (i + 0.5) * _WIDTH / _POSES
        points = [(middle + scale * float(p[0]), ground - scale * float(p[2])) for p in figure]
        for b, body in enumerate(card.character.bodies):
            if body.parent >= 0:
                (x1, y1), (x2, y2) = points[body.parent], points[b]
                colour = next((c for s, c in _COLOURS.items() if s and s in body.name), _COLOURS[""])
                lines.append(
                    f"<line x1={x1:.1f} y1={y1:.1f} x2={x2:.1f} y2={y2:.1f} stroke='{colour}' stroke-width=3 "
                    "stroke-linecap=round />"
                )
        time = float(motion.times[frames[i]])
        lines.append(
            f"<text x={middle:.0f} y={_STRIP - 6} font-size=12 text-anchor=middle fill='#666'>{time:.2f} s</text>"
        )
    return f"<svg viewBox='0 0 {_WIDTH} {_STRIP}' role=img aria-label='poses'>{''.join(lines)}</svg>"


def _plots(card: QualityReport) -> list[tuple[str, str]]:
    m, times = card.measures, card.motion.times
    found = []
    if m.error:
        error = 100 * torch.stack(list(m.error.values()), 1)
        found.append(
            ("distance from the recording, mean and greatest [cm]", _plot(times, (error.mean(1), error.amax(1))))
        )
    found.append(("lowest point of the body [mm]", _plot(times, (1000 * m.lowest,))))
    speeds = [100 * torch.where(s.held, s.speed, torch.zeros_like(s.speed)) for s in m.stances]
    if speeds:
        found.append(("feet sliding while they stand [cm/s]", _plot(times, speeds)))
    found.append(
        ("most loaded joint, 1 is its limit", _plot(times[m.effort.frames], (m.effort.load.amax(1),), mark=1.0))
    )
    found.append(("greatest acceleration of a body [m/s²]", _plot(times, (m.acceleration,))))
    return found


def _plot(times: Tensor, curves: Sequence[Tensor], mark: float | None = None) -> str:
    """Return an SVG of curves over time, with the range of values at the left and a dashed line at ``mark``."""
    stride = max(1, len(times) // _WIDTH)
    low = min(0.0, *(float(c.min()) for c in curves))
    high = max(low + 1e-3, *(float(c.max()) for c in curves), mark or low)
    palette = ("#3887c7", "#e8693f", "#2da44e", "#8250df", "#9a6700", "#555")

    def place(t: float, value: float) -> str:
        x = 60 + (_WIDTH - 70) * t / max(float(times[-1]), 1e-9)
        return f"{x:.1f},{_PLOT - 20 - (_PLOT - 35) * (value - low) / (high - low):.1f}"

    parts = [f"<text x=4 y={15 + i} font-size=12 fill='#666'>{v:.4g}</text>" for i, v in ((0, high), (_PLOT - 35, low))]
    parts.append(f"<text x={_WIDTH - 60} y={_PLOT - 4} font-size=12 fill='#666'>{float(times[-1]):.2f} s</text>")
    if mark is not None:
        ends = place(0.0, mark), place(float(times[-1]), mark)
        parts.append(f"<polyline points='{ends[0]} {ends[1]}' fill=none stroke='#cf222e' stroke-dasharray=4 />")
    for i, curve in enumerate(curves):
        # of many frames to a pixel the greatest is shown
        peaks = [(float(times[k]), float(curve[k : k + stride].max())) for k in range(0, len(times), stride)]
        line = " ".join(place(t, v) for t, v in peaks)
        parts.append(f"<polyline points='{line}' fill=none stroke='{palette[i % len(palette)]}' stroke-width=1.4 />")
    return f"<svg viewBox='0 0 {_WIDTH} {_PLOT}'>{''.join(parts)}</svg>"
