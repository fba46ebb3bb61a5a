"""What the command line prints: short tables, plain text where the output is not a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mimic.evaluation.feet import label
from mimic.tracking.reward import LABELS


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> None:
    """Print rows of text; the columns ``numeric`` are set to the right."""
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 120
    console.print(table)


def print_evaluation(report: Mapping[str, Any], paths: Mapping[str, object]) -> None:
    """The evaluation of a controller in words, and where things lie."""
    returned, terms = report["normalized_return"], report["reward_terms"]
    rows = [
        ("normalised return", f"{returned['mean']:.3f} ± {returned['std']:.3f}", "1 is perfect; all zero after a fall"),
        ("survival", f"{100 * report['survival']:.0f} %", f"of {report['episodes']} episodes of {_seconds(report)} s"),
        (
            "success rate",
            f"{100 * report['success_rate']:.0f} %",
            "of episodes: bodies never 0.5 m off on average",
        ),
        ("time up", f"{report['mean_time_s']:.1f} s", "mean over episodes"),
        *_later(report["by_time"]),
        ("body position error", f"{100 * report['mpjpe_m']:.1f} cm", "from the root, mean over bodies (MPJPE)"),
        ("root position error", f"{100 * report['root_error_m']:.1f} cm", "the clip is placed anew each cycle"),
        *_drift(report),
        ("joint velocity error", f"{report['joint_velocity_error_rad_s']:.2f} rad/s", ""),
        ("jerk from the root", f"{report['jerk_m_s3']:.0f} m/s³", f"the clip has {report['reference_jerk_m_s3']:.0f}"),
        *_feet_and_motors(report),
    ]
    rows += [(f"reward: {LABELS.get(name, name)}", f"{value:.3f}", "of 1, while up") for name, value in terms.items()]
    print_table(f"{report['clip']} ({report['character']})", ("figure", "value", "meaning"), rows, numeric=(1,))
    if "footfall" in report:
        _print_footfall(report["footfall"])
    if "push" in report:
        _print_pushes(report["push"])
    for name, path in paths.items():
        print(f"{name + ':':<12} {path}")


def _drift(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    if "drift_m" not in report:
        return []
    return [("drift", f"{100 * report['drift_m']:.0f} cm", "at the end, from the clip placed once at the start")]


def _later(windows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """A row each 10 s, where it was watched for longer than usual."""
    if windows[-1]["to_s"] <= 20.0:
        return []
    return [
        (
            f"{w['from_s']:g} to {w['to_s']:g} s",
            f"{w['normalized_return']:.3f}",
            f"normalised return; {100 * w['survival']:.0f} % still up",
        )
        for w in windows
    ]


def _feet_and_motors(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    joints = report["torque_by_joint"]
    hardest = max(joints, key=lambda name: joints[name]["at_limit"])
    at_limit = f"of the samples; most in {hardest}: {100 * joints[hardest]['at_limit']:.1f} %"
    skate, of_clip = report["foot_skate_m_s"], report["reference_foot_skate_m_s"]
    return [
        ("foot skate", f"{100 * skate:.1f} cm/s", f"sliding of feet on the ground; the clip has {100 * of_clip:.1f}"),
        ("foot depth", f"{1000 * report['foot_depth_m']:.1f} mm", "below the ground, while a foot stands"),
        ("torque", f"{100 * report['torque_mean_share']:.0f} %", "of the joint's limit, mean over joints"),
        ("largest torque", f"{100 * report['torque_peak_share']:.0f} %", "of the joint's limit"),
        ("at the limit", f"{100 * report['torque_at_limit_share']:.2f} %", at_limit),
    ]


def _print_pushes(report: Mapping[str, Any]) -> None:
    """Impulse against survival."""
    columns = (report["impulse_Ns"], report["speed_change_m_s"], report["pushed"], report["survival"])
    rows = [
        (f"{size:g} N·s", f"{speed:.2f} m/s", str(count), f"{100 * alive:.0f} %")
        for size, speed, count, alive in zip(*columns, strict=True)
    ]
    title = f"pushed once, and not down {report['watched_s']:g} s later"
    print_table(title, ("impulse", "change of speed", "episodes", "survival"), rows, numeric=(0, 1, 2, 3))
    half = report["half_survive_Ns"]
    beyond = "more than the largest tried" if min(report["survival"]) > 0.5 else "less than the smallest tried"
    print("half survive: " + (beyond if half is None else f"{half:.0f} N·s") + "\n")


def _print_footfall(report: Mapping[str, Any]) -> None:
    """Which foot lands when, in the simulation and in the clip."""
    rows = []
    for body, foot in report["feet"].items():
        landings = [f"{100 * x['phase']:.0f}" for x in foot["landings"]]
        shifts = ["never" if x["shift"] is None else f"{100 * x['shift']:+.1f}" for x in foot["landings"]]
        duty, stride = foot["duty"], foot["stride_s"]
        strides = ["" if stride[s] is None else f"{stride[s]:.2f}" for s in ("simulation", "reference")]
        rows.append(
            (
                label(body),
                ", ".join(landings),
                ", ".join(shifts),
                f"{100 * duty['simulation']:.0f} / {100 * duty['reference']:.0f}",
                " / ".join(strides),
            )
        )
    header = ("foot", "lands at, % of cycle", "simulation later by", "down, % (sim / clip)", "stride, s (sim / clip)")
    print_table("footfalls", header, rows)
    order = report["order"]
    print("order of landing, clip:       " + ", ".join(label(body) for body in order["reference"]))
    print("order of landing, simulation: " + ", ".join(label(body) for body in order["simulation"]))
    verdict = "the same" if order["same"] else "another"
    missed, extra = 100 * report["missed"], report["extra"]
    print(
        f"{verdict} order; largest difference {100 * report['largest_difference']:.1f} % of the cycle; landings missed, "
        f"of any one foot: {missed:.0f} %; landings too many: {extra:.2f} a cycle\n"
    )


def print_clips(clips: Sequence[Any], controllers: Sequence[str]) -> None:
    """The catalogue: what can be trained on, where each clip lies, which have ``controllers``, and the licences in full
    below.
    """
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
        print(f"({number}) {licence}")


def _whereabouts(info: Any) -> str:
    if info.synthetic:
        return "authored (synthetic)"
    if info.available:
        return "here"
    return f"{info.fallback} instead" if info.fallback else "to be downloaded"


def print_description(report: Mapping[str, Any]) -> None:
    """What a motion file holds, and what was taken for granted about it."""
    height = report["height_m"]
    print(f"{report['name']}: {report['kind']} ({report['format']})")
    print(f"{report['frames']} frames, {report['duration_s']:g} s at {report['fps']:g} frames a second")
    tips = f" and {report['tips']} tips" if report["tips"] else ""
    print(f"{len(report['bones'])} bones{tips}: {', '.join(report['bones'])}")
    print(
        f"height {height['median_lowest']:.2f} to {height['median_highest']:.2f} m; the root goes {report['way_m']:g} m"
    )
    rows = [(key, entry["value"], entry["by"], entry["why"]) for key, entry in report["assumptions"].items()]
    print_table("taken for granted", ("what", "value", "says", "why"), rows)
    for line in report["warnings"]:
        print(f"note: {line}")


def print_card(card: Any) -> None:
    """A report card: every figure with its verdict, and what to do where one does not pass."""
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
        print(f"note: {note}")


def _seconds(report: Mapping[str, Any]) -> str:
    return f"{report['episode_s']:g}"


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """A controller bundle that was found sound."""
    files = f"{verdict['files']} files whole, schema version {verdict['schema_version']}"
    rows = [(what, f"{error:.1e}", f"of {verdict['tolerance']:g}") for what, error in verdict["errors"].items()]
    print_table(f"{verdict['name']}: {files}", ("computed", "off by", "allowed"), rows, numeric=(1,))
    print(f"{'runtime:':<12} {verdict['runtime']}")
    if verdict["warning"]:
        print(f"{'licence:':<12} {verdict['warning']}")
