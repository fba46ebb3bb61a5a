"""The table of docs/results.md: what ships, how well it does it, and what it took. ``python -m bench.controller_table``.

Read from the controllers' own files, which ``pack`` wrote; ``evaluate --controller NAME`` measures a row anew.
"""

import json
from typing import Any

from mimic.runs.controller import SHIPPED_FOLDER, load_controller, shipped_controllers, total_training_cost

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
    """A row of text for each controller that ships, in the order of the alphabet."""
    return [
        _row(name, json.loads((SHIPPED_FOLDER / name / "controller.json").read_text()))
        for name in shipped_controllers()
    ]


def markdown() -> str:
    """The table as Markdown."""
    lines = [_HEADER, ("--",) * len(_HEADER), *rows()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _row(name: str, spec: dict[str, Any]) -> tuple[str, ...]:
    found, behind = spec["evaluation"], total_training_cost(load_controller(name))
    returned = found["normalized_return"]
    seconds = "" if found["episode_s"] >= 20 else f" ({found['episode_s']:.1f} s, once)"
    return (
        f"`{name}`{seconds}",
        f"{returned['mean']:.3f} ± {returned['std']:.3f}",
        f"{100 * found['survival']:.0f} % ({100 * found['success_rate']:.0f} %)",
        f"{100 * found['mpjpe_m']:.1f} cm",
        f"{100 * found['foot_skate_m_s']:.0f} ({100 * found['reference_foot_skate_m_s']:.0f}) cm/s",
        f"{100 * found['torque_at_limit_share']:.1f} %",
        f"{behind['samples'] / 1e6:.1f} M",
        f"{60 * behind['hours']:.0f}",
        next((use for word, use in _USES.items() if word in spec["clip_license"]), spec["clip_license"]),
    )


if __name__ == "__main__":
    print(markdown())
