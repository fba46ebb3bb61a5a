"""A self-contained HTML page about all takes of a file: a strip of stick figures and the checks of each, worst first."""

from collections.abc import Sequence
from html import escape

from mocap.describe import stick_figure
from retarget.inspect_page import STYLE, stick_strip
from retarget.takes import Take

_WORST_FIRST = ("refused", "fail", "warn", "pass")


def takes_page(title: str, takes: Sequence[Take]) -> str:
    """Return the page, without scripts and without external files."""
    ordered = sorted(takes, key=lambda take: _WORST_FIRST.index(take.verdict))
    counts = ", ".join(f"{sum(t.verdict == word for t in takes)} {word}" for word in reversed(_WORST_FIRST))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{len(takes)} takes: {counts}</p>{''.join(map(_section, ordered))}</html>\n"
    )


def _section(take: Take) -> str:
    head = f"<h2>{escape(take.name)}: {take.verdict}</h2>"
    if take.result is None:
        return f'{head}<p class="warning">{escape(take.refused or "")}</p>'
    report = take.result.report
    bad = [check for check in report.checks if check.verdict != "pass"]
    rows = "".join(
        f"<tr><td>{check.verdict}</td><td>{escape(check.label)}</td><td>{check.value:g} {escape(check.unit)}</td>"
        f"<td>{escape(check.remedy)}</td></tr>"
        for check in bad
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in report.notes)
    return f"{head}{stick_strip(stick_figure(take.result.motion))}<table>{rows}</table>{notes}"
