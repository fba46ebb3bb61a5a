"""What the command line prints: short tables, plain text where the output is not a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_TERM_LABELS = {
    "pose": "pose",
    "velocity": "velocity",
    "end_effector": "end effectors",
    "root": "root",
    "com": "centre of mass",
}


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
        ("time to the fall", f"{report['mean_steps'] / 30:.1f} s", "mean over episodes, the survivors included"),
        ("body position error", f"{100 * report['mpjpe_m']:.1f} cm", "from the root, mean over bodies (MPJPE)"),
        ("root position error", f"{100 * report['root_error_m']:.1f} cm", ""),
        ("joint velocity error", f"{report['joint_velocity_error_rad_s']:.2f} rad/s", ""),
        ("jerk from the root", f"{report['jerk_m_s3']:.0f} m/s³", f"the clip has {report['reference_jerk_m_s3']:.0f}"),
    ]
    rows += [
        (f"reward: {_TERM_LABELS.get(name, name)}", f"{value:.3f}", "of 1, while up") for name, value in terms.items()
    ]
    print_table(f"{report['clip']} ({report['character']})", ("figure", "value", "meaning"), rows, numeric=(1,))
    for name, path in paths.items():
        print(f"{name + ':':<12} {path}")


def print_clips(clips: Sequence[Any]) -> None:
    """The catalogue: what can be trained on, where each clip lies, and the licences in full below."""
    licences = sorted({info.licence for info in clips})
    rows = [
        (
            info.name,
            info.character,
            "" if info.duration_s is None else f"{info.duration_s:.2f}",
            "" if info.loop is None else ("loops" if info.loop else "once"),
            "here" if info.available else "to be downloaded",
            f"({licences.index(info.licence) + 1})",
        )
        for info in clips
    ]
    print_table("clips", ("name", "character", "seconds", "", "file", "licence"), rows, numeric=(2,))
    for number, licence in enumerate(licences, 1):
        print(f"({number}) {licence}")


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
