"""Prints the tables of docs/results.md with ``python -m bench.controller_table``.

Each controller of one clip that ships has a row: its evaluation and its cost, as ``pack`` stored them. Each library has a
table, in which a clip has a row. ``evaluate --controller NAME`` measures them anew.
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
_LIBRARY_HEADER = ("clip", "normalised return", "its own controller", "share of it", "survival", "MPJPE")
_USES = {"CC BY-NC": "**not commercial**", "published in an MIT": "clip's origin not stated", "Apache-2.0": "free"}


def rows() -> list[tuple[str, ...]]:
    """Return one row per shipped controller of one clip, in alphabetical order."""
    return [_row(name, one) for name, one in _shipped() if not one.has_library]


def library_rows(controller: Controller) -> list[tuple[str, ...]]:
    """One row per clip of a library, and one of all of them; the clip that is furthest below its own controller first."""
    found = dict((controller.spec.evaluation or {})["clips"])
    clips = sorted(
        (one["normalized_return"] / (one["expert_return"] or one["normalized_return"]), name)
        for name, one in found.items()
    )
    known = [one for one in found.values() if one["expert_return"]]
    mean = [sum(one[key] for one in known) / len(known) for key in ("normalized_return", "expert_return")]
    survival, error = (sum(one[key] for one in found.values()) / len(found) for key in ("survival", "mpjpe_m"))
    last = ("**all**", *_library_cells(mean[0], mean[1], survival, error))
    return [(f"`{name}`", *_library_cells(**found[name])) for _, name in clips] + [last]


def markdown() -> str:
    """Return the table of the controllers of one clip, as Markdown."""
    return _markdown(_HEADER, rows())


def library_markdown(controller: Controller) -> str:
    """Return the table of a library, as Markdown."""
    return _markdown(_LIBRARY_HEADER, library_rows(controller))


def libraries() -> dict[str, Controller]:
    """The libraries that ship, by name."""
    return {name: one for name, one in _shipped() if one.has_library}


def _shipped() -> list[tuple[str, Controller]]:
    return [(name, load_controller(name)) for name in shipped_controllers()]


def _library_cells(
    normalized_return: float, expert_return: float | None, survival: float, mpjpe_m: float
) -> tuple[str, ...]:
    """Return the cells of a clip; without a controller of its own, it has no return of it and no share."""
    own = ("–", "–")
    if expert_return:
        own = (f"{expert_return:.3f}", f"{100 * normalized_return / expert_return:.1f} %")
    return f"{normalized_return:.3f}", *own, f"{100 * survival:.1f} %", f"{100 * mpjpe_m:.1f} cm"


def _markdown(header: tuple[str, ...], body: list[tuple[str, ...]]) -> str:
    lines = [header, ("--",) * len(header), *body]
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
    for name, controller in libraries().items():
        print(f"\n{name}\n\n{library_markdown(controller)}")
