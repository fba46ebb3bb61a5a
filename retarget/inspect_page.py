"""A self-contained HTML page about a motion file: its description, and a strip of stick figures from the side."""

from collections.abc import Sequence
from html import escape
from typing import Any

from mocap.skeleton import KeypointMotion

_FIGURES, _WIDTH, _HEIGHT, _MARGIN = 8, 150, 200, 12
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.2em 1.2em .2em 0;vertical-align:top}"
    "th{font-weight:600}svg{background:#f6f6f4;border-radius:6px;max-width:100%}.warning{color:#a33}"
)


def inspect_page(report: dict[str, Any], points: KeypointMotion) -> str:
    """Return an HTML page on a motion file, without scripts and without external files.

    ``report`` is the description that ``mimic inspect --json`` writes; ``points`` are the joints to draw.
    """
    facts = [
        ("what it is", f"{report['kind']} ({report['format']})"),
        ("length", f"{report['frames']} frames, {report['duration_s']:g} s at {report['fps']:g} a second"),
        ("bones", f"{len(report['bones'])}: {', '.join(report['bones'])}"),
        ("height", f"{report['height_m']['median_lowest']:g} to {report['height_m']['median_highest']:g} m (median)"),
        ("way of the root", f"{report['way_m']:g} m"),
    ]
    taken = [(key, entry["value"], entry["by"], entry["why"]) for key, entry in report["assumptions"].items()]
    joints = [(role, name) for role, name in report.get("mapping", {}).items()]
    mapped = f"<h2>Joints by role</h2><table>{_rows(joints)}</table>" if joints else ""
    warnings = "".join(f'<p class="warning">{escape(line)}</p>' for line in report["warnings"])
    name = escape(report["name"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
        f"<h1>{name}</h1>{warnings}{stick_strip(points)}<table>{_rows(facts)}</table>"
        f"<h2>Taken for granted</h2><table><tr><th>what</th><th>value</th><th>says</th><th>why</th></tr>"
        f"{_rows(taken)}</table>{mapped}"
        "<p>Correct a wrong guess with --unit, --up, --forward or --fps.</p></html>\n"
    )


def _rows(rows: Sequence[tuple[str, ...]]) -> str:
    return "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)


def stick_strip(points: KeypointMotion) -> str:
    """Return an SVG of eight evenly spaced frames from left to right, each seen from the figure's right side."""
    count = min(_FIGURES, points.num_frames)
    frames = [round(i * (points.num_frames - 1) / max(count - 1, 1)) for i in range(count)]
    pos, seen = points.pos_w[frames], points.seen[frames]
    centre = pos[:, :, 0].mean(1, keepdim=True)
    across, up = pos[..., 0] - centre, pos[..., 2]
    low = min(0.0, float(up.min()))
    reach = max(float(across.abs().max()) * 2, float(up.max()) - low, 1e-6)
    scale = min(_WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN) / reach
    parts = []
    ground = _HEIGHT - _MARGIN + low * scale
    for figure, frame in enumerate(frames):
        x = _WIDTH * (figure + 0.5) + across[figure] * scale
        y = _HEIGHT - _MARGIN - (up[figure] - low) * scale
        for point, parent in enumerate(points.parents or [-1] * len(points.names)):
            if not seen[figure, point]:
                continue
            colour = "#c0503c" if "right" in points.names[point].lower() else "#3876b4"
            if parent >= 0 and seen[figure, parent]:
                parts.append(
                    f'<line x1="{x[parent]:.1f}" y1="{y[parent]:.1f}" x2="{x[point]:.1f}" y2="{y[point]:.1f}" '
                    f'stroke="{colour}" stroke-width="2.5" stroke-linecap="round"/>'
                )
            elif parent < 0:
                parts.append(f'<circle cx="{x[point]:.1f}" cy="{y[point]:.1f}" r="2" fill="{colour}"/>')
        label = f"{float(points.times[frame]):.2f} s"
        parts.append(f'<text x="{_WIDTH * figure + 6}" y="14" font-size="11" fill="#666">{label}</text>')
    width = _WIDTH * count
    line = f'<line x1="0" y1="{ground:.1f}" x2="{width}" y2="{ground:.1f}" stroke="#bbb"/>'
    return f'<svg viewBox="0 0 {width} {_HEIGHT}" width="{width}" role="img">{line}{"".join(parts)}</svg>'
