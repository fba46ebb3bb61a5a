"""Prints the table of docs/results.md with ``python -m bench.controller_table``.

Each controller that ships has a row: its evaluation and its cost, as ``pack`` stored them. ``evaluate --controller
NAME`` measures a row anew.
"""

from mimic.evaluation.report import EvaluationReport
from mimic.runs.controller import Controller, load_controller, shipped_controllers, total_training_cost

_HEADER = (
    "controller",
    "normalised return",
    "survival (success rate)",
    "MPJPE",
    "foot skate (clip)",
    "torque at the limit",
    "samples",
    "minutes",
    "use",
)
_USES = {"CC BY-NC": "**not commercial**", "published in an MIT": "clip's origin not stated", "Apache-2.0": "free"}


def rows() -> list[tuple[str, ...]]:
    """One row per controller that ships, in alphabetical order."""
    return [_row(name, load_controller(name)) for name in shipped_controllers()]


def markdown() -> str:
    """The table as Markdown."""
    lines = [_HEADER, ("--",) * len(_HEADER), *rows()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _row(name: str, controller: Controller) -> tuple[str, ...]:
    cost, licence = total_training_cost(controller), controller.spec.clip_license or ""
    found = EvaluationReport.from_json(controller.spec.evaluation or {}, f"{name}: evaluation")
    returned, metrics = found.normalized_return, found.metrics
    seconds = "" if found.episode_s >= 20 else f" ({found.episode_s:.1f} s, once)"
    return (
        f"`{name}`{seconds}",
        f"{returned.mean:.3f} ± {returned.std:.3f}",
        f"{100 * found.survival:.0f} % ({100 * metrics['success_rate']:.0f} %)",
        f"{100 * metrics['mpjpe_m']:.1f} cm",
        f"{100 * metrics['foot_skate_m_s']:.0f} ({100 * metrics['reference_foot_skate_m_s']:.0f}) cm/s",
        f"{100 * metrics['torque_at_limit_share']:.1f} %",
        f"{cost.samples / 1e6:.1f} M",
        f"{60 * cost.hours:.0f}",
        next((use for word, use in _USES.items() if word in licence), licence),
    )


if __name__ == "__main__":
    print(markdown())
