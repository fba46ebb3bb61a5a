"""Print tables on the command line, as plain text if the output is not a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mimic.core.printing import printable, show
from mimic.evaluation.contact_intervals import Footfalls
from mimic.evaluation.footfall_compare import FootComparison, FootfallComparison
from mimic.evaluation.push import PushReport
from mimic.evaluation.report import EvaluationReport, TimeWindow
from mimic.runs.evaluate_controller import ControllerEvaluation
from mimic.runs.evaluate_library import LibraryEvaluation
from mimic.tracking.reward import term_label

Row = tuple[str, str, str]


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> None:
    """Print rows of text as a table; the columns with indices ``numeric`` are aligned to the right."""
    table = Table(title=printable(title), box=SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 120
    console.print(table)


def print_evaluation(evaluation: ControllerEvaluation, paths: Mapping[str, object]) -> None:
    """Print the results of an evaluation and the ``paths`` of the files made."""
    report, m = evaluation.report, evaluation.report.metrics
    rows = [
        *_return_rows(report),
        ("body position error", f"{100 * m['mpjpe_m']:.1f} cm", "from the root, mean over bodies (MPJPE)"),
        ("root position error", f"{100 * m['root_error_m']:.1f} cm", "the clip is placed anew each cycle"),
        *_drift_rows(report),
        ("joint velocity error", f"{m['joint_velocity_error_rad_s']:.2f} rad/s", ""),
        ("jerk from the root", f"{m['jerk_m_s3']:.0f} m/s³", f"the clip has {m['reference_jerk_m_s3']:.0f}"),
        *_foot_rows(report),
        *_torque_rows(report),
        *((name, f"{value:.4g}", "") for name, value in m.items() if name not in _SHOWN and _is_number(value)),
    ]
    terms = report.reward_terms.items()
    rows += [(f"reward: {term_label(name)}", f"{value:.3f}", "mean while up") for name, value in terms]
    print_table(f"{report.clip} ({report.character})", ("figure", "value", "meaning"), rows, numeric=(1,))
    if evaluation.footfalls:
        _print_footfall(m["footfall"], evaluation.footfalls)
    if evaluation.push:
        _print_pushes(evaluation.push)
    for name, path in paths.items():
        show(f"{name + ':':<12} {path}")


def print_library(evaluation: LibraryEvaluation) -> None:
    """Print the results of a library's evaluation, the clip with the smallest return first."""
    rows = []
    for name, one in sorted(evaluation.clips.items(), key=lambda item: item[1].normalized_return):
        expert = "" if one.expert_return is None else f"{one.expert_return:.3f}"
        survival, error = f"{100 * one.survival:.0f} %", f"{100 * one.mpjpe_m:.1f} cm"
        rows.append((name, f"{one.normalized_return:.3f}", expert, survival, error))
    all_survival = f"{100 * evaluation.survival:.0f} %"
    rows.append(("mean of clips", f"{evaluation.mean_return:.3f}", "", all_survival, ""))
    header = ("clip", "return", "its own controller", "survival", "position error")
    print_table(str(evaluation.controller), header, rows, numeric=(1, 2, 3, 4))


# metrics with a row of their own; others, such as those of a plugin, are printed by their key
_SHOWN = (
    *("mpjpe_m", "root_error_m", "joint_velocity_error_rad_s", "success_rate", "jerk_m_s3", "reference_jerk_m_s3"),
    *("foot_skate_m_s", "reference_foot_skate_m_s", "foot_depth_m", "drift_m"),
    *("torque_mean_share", "torque_peak_share", "torque_at_limit_share"),
)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _return_rows(report: EvaluationReport) -> list[Row]:
    returned, success = report.normalized_return, report.metrics["success_rate"]
    episodes = f"of {report.episodes} episodes of {report.episode_s:g} s"
    return [
        ("normalised return", f"{returned.mean:.3f} ± {returned.std:.3f}", "1 is perfect; all zero after a fall"),
        ("survival", f"{100 * report.survival:.0f} %", episodes),
        ("success rate", f"{100 * success:.0f} %", "of episodes: bodies never 0.5 m off on average"),
        ("time up", f"{report.mean_time_s:.1f} s", "mean over episodes"),
        *_window_rows(report.by_time),
    ]


def _drift_rows(report: EvaluationReport) -> list[Row]:
    drift = report.metrics.get("drift_m")
    meaning = "at the end, from the clip placed once at the start"
    return [] if drift is None else [("drift", f"{100 * drift:.0f} cm", meaning)]


def _window_rows(windows: Sequence[TimeWindow]) -> list[Row]:
    """Return one table row per window of 10 s, if the episodes are longer than 20 s."""
    if windows[-1].to_s <= 20.0:
        return []
    return [
        (
            f"{w.from_s:g} to {w.to_s:g} s",
            f"{w.normalized_return:.3f}",
            f"normalised return; {100 * w.survival:.0f} % still up",
        )
        for w in windows
    ]


def _foot_rows(report: EvaluationReport) -> list[Row]:
    m = report.metrics
    clip = 100 * m["reference_foot_skate_m_s"]
    speed = f"{100 * m['foot_skate_m_s']:.1f} cm/s"
    return [
        ("foot skate", speed, f"sliding of feet on the ground; the clip has {clip:.1f}"),
        ("foot depth", f"{1000 * m['foot_depth_m']:.1f} mm", "below the ground, while a foot stands"),
    ]


def _torque_rows(report: EvaluationReport) -> list[Row]:
    m, joints = report.metrics, report.metrics["torque_by_joint"]
    hardest = max(joints, key=lambda name: joints[name].at_limit)
    at_limit = f"of the samples; most in {hardest}: {100 * joints[hardest].at_limit:.1f} %"
    return [
        ("torque", f"{100 * m['torque_mean_share']:.0f} %", "of the joint's limit, mean over joints"),
        ("largest torque", f"{100 * m['torque_peak_share']:.0f} %", "of the joint's limit"),
        ("at the limit", f"{100 * m['torque_at_limit_share']:.2f} %", at_limit),
    ]


def _print_pushes(report: PushReport) -> None:
    """Print survival by impulse."""
    columns = (report.impulse_Ns, report.speed_change_m_s, report.pushed, report.survival)
    rows = [
        (f"{size:g} N·s", f"{speed:.2f} m/s", str(count), f"{100 * alive:.0f} %")
        for size, speed, count, alive in zip(*columns, strict=True)
    ]
    title = f"pushed once, and not down {report.watched_s:g} s later"
    print_table(title, ("impulse", "change of speed", "episodes", "survival"), rows, numeric=(0, 1, 2, 3))
    half = report.half_survive_Ns
    beyond = "more than the largest tried" if min(report.survival) > 0.5 else "less than the smallest tried"
    show("half survive: " + (beyond if half is None else f"{half:.0f} N·s") + "\n")


def _print_footfall(report: FootfallComparison, footfalls: Footfalls) -> None:
    """Print when each foot lands, in the simulation and in the clip."""
    labels = dict(zip(footfalls.feet, footfalls.labels, strict=True))
    rows = [(labels[body], *_footfall_cells(foot)) for body, foot in report.feet.items()]
    header = ("foot", "lands at, % of cycle", "simulation later by", "down, % (sim / clip)", "stride, s (sim / clip)")
    print_table("footfalls", header, rows)
    order = report.order
    show("order of landing, clip:       " + ", ".join(labels[body] for body in order.reference))
    show("order of landing, simulation: " + ", ".join(labels[body] for body in order.simulation))
    verdict = "the same" if order.same else "another"
    show(
        f"{verdict} order; largest difference {100 * report.largest_difference:.1f} % of the cycle; landings missed, "
        f"of any one foot: {100 * report.missed:.0f} %; landings too many: {report.extra:.2f} a cycle\n"
    )


def _footfall_cells(foot: FootComparison) -> tuple[str, ...]:
    strides = [
        "" if stride is None else f"{stride:.2f}" for stride in (foot.stride_s.simulation, foot.stride_s.reference)
    ]
    return (
        ", ".join(f"{100 * x.phase:.0f}" for x in foot.landings),
        ", ".join("never" if x.shift is None else f"{100 * x.shift:+.1f}" for x in foot.landings),
        f"{100 * foot.duty.simulation:.0f} / {100 * foot.duty.reference:.0f}",
        " / ".join(strides),
    )


def print_clips(clips: Sequence[Any], controllers: Sequence[str]) -> None:
    """Print a table of all named clips: the place of the file, and whether a controller ships; then all licences."""
    licences = sorted({info.licence for info in clips})
    rows = [
        (
            info.name,
            info.character,
            "" if info.duration_s is None else f"{info.duration_s:.2f}",
            "" if info.loop is None else ("loops" if info.loop else "once"),
            _whereabouts(info),
            "ships" if info.name in controllers else "",
            "yes" if info.redistributable else "no",
            f"({licences.index(info.licence) + 1})",
        )
        for info in clips
    ]
    print_table(
        "clips",
        ("name", "character", "seconds", "", "file", "controller", "may ship", "licence"),
        rows,
        numeric=(2,),
    )
    for number, licence in enumerate(licences, 1):
        show(f"({number}) {licence}")


def _whereabouts(info: Any) -> str:
    if info.synthetic:
        return "authored (synthetic)"
    if info.available:
        return "here"
    return f"{info.fallback} instead" if info.fallback else "to be downloaded"


def print_description(report: Mapping[str, Any]) -> None:
    """Print the content of a motion file and the conventions that were assumed for it."""
    height = report["height_m"]
    show(f"{report['name']}: {report['kind']} ({report['format']})")
    show(f"{report['frames']} frames, {report['duration_s']:g} s at {report['fps']:g} frames a second")
    tips = f" and {report['tips']} tips" if report["tips"] else ""
    show(f"{len(report['bones'])} bones{tips}: {', '.join(report['bones'])}")
    show(
        f"height {height['median_lowest']:.2f} to {height['median_highest']:.2f} m; the root goes {report['way_m']:g} m"
    )
    rows = [(key, entry["value"], entry["by"], entry["why"]) for key, entry in report["assumptions"].items()]
    print_table("taken for granted", ("what", "value", "says", "why"), rows)
    if report.get("mapping"):
        show("joints by role: " + ", ".join(f"{role} {name}" for role, name in report["mapping"].items()))
    if report.get("takes"):
        show(f"{len(report['takes'])} takes: {', '.join(report['takes'])}")
    for line in report["warnings"]:
        show(f"note: {line}")


def print_card(card: Any) -> None:
    """Print a quality report: every value with its verdict, and a remedy for each value that does not pass."""
    rows = [
        (
            check.verdict,
            check.label,
            f"{check.value:g} {check.unit}",
            "; ".join(filter(None, (check.threshold, check.remedy))),
        )
        for check in card.checks
    ]
    print_table(
        f"{card.motion.name} on {card.character.name}: {card.verdict}", ("", "figure", "value", ""), rows, numeric=(2,)
    )
    for note in card.notes:
        show(f"note: {note}")


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """Print the result of a successful check of a controller bundle."""
    files = f"{verdict['files']} files whole, schema version {verdict['schema_version']}"
    rows = [(what, f"{error:.1e}", f"of {verdict['tolerance']:g}") for what, error in verdict["errors"].items()]
    print_table(f"{verdict['name']}: {files}", ("computed", "off by", "allowed"), rows, numeric=(1,))
    show(f"{'runtime:':<12} {verdict['runtime']}")
    if verdict["warning"]:
        show(f"{'licence:':<12} {verdict['warning']}")
