"""Prints the tables of docs/retargeting.md: ``python -m bench.retarget_table CHARACTER FILE...``.

``named`` instead prints the named clips, ``takes CHARACTER FILE...`` every take of files with several.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from characters.character import load_character
from mimic.core.errors import InputError
from mocap.catalogue import clip_names, load_clip
from mocap.conventions import ReadOptions
from mocap.formats import read_clip, take_names
from retarget.pipeline import Options, own_keypoints, retarget
from retarget.quality_report import QualityReport, make_quality_report
from retarget.repair import repair
from retarget.retarget_file import retarget_file
from retarget.retarget_rig import RetargetRig

_HEADER = (
    "| clip | frames | error mean, p95 [cm] | skate [cm/s] | depth [mm] | float [mm] | limit hits | jumps | card |"
)


_NAMED_HEADER = "| clip | card as published | card as trained on | moved [cm] | what is left |"


def named() -> int:
    """Print one row per named clip: its quality report as published, and as repaired when training loads it."""
    _head(_NAMED_HEADER)
    for name in clip_names():
        motion = load_clip(name)
        character = load_character(motion.character)
        rig, repaired = RetargetRig(character), repair(motion, character)
        before, after = make_quality_report(motion, character), make_quality_report(repaired, character)
        moved = (own_keypoints(repaired, rig) - own_keypoints(motion, rig)).norm(dim=-1).mean()
        print(f"| {name} | {before.verdict} | {after.verdict} | {100 * moved:.1f} | {_doubts(after)} |", flush=True)
    return 0


def _doubts(card: QualityReport) -> str:
    return ", ".join(f"{c.label} {c.value:.0f} {c.unit}" for c in card.checks if c.verdict != "pass")


def _head(columns: str) -> None:
    print(columns)
    print("|--" * (columns.count("|") - 1) + "|")


def takes(character: str, files: Sequence[str]) -> int:
    """Print one row per take of the files: report, travel, speed and error; or the reason why it is refused."""
    _head("| file | take | card | travel [m] | error mean [cm] | doubts, notes |")
    for file in map(Path, files):
        for name in take_names(file):
            reading = ReadOptions(take=name)
            try:
                result = retarget_file(file, character, Path("unused.npz"), Options(), reading, name=name)
            except InputError as error:
                print(f"| {file.stem} | {name} | refused | | | {str(error).splitlines()[0]} |", flush=True)
                continue
            card = result.report
            error_cm = card.to_json()["keypoint_error_cm"]["mean"]
            words = "; ".join((_doubts(card), *(note for note in card.notes if note.startswith("played"))))
            print(
                f"| {file.stem} | {name} | {card.verdict} | {card.travel_m:.2f} | {error_cm:.1f} | {words} |",
                flush=True,
            )
    return 0


def main(argv: Sequence[str]) -> int:
    """Print one row per file; for a file that cannot be used, the reason."""
    torch.set_num_threads(1)
    if list(argv) == ["named"]:
        return named()
    if argv[0] == "takes":
        return takes(argv[1], argv[2:])
    character = load_character(argv[0])
    _head(_HEADER)
    for file in argv[1:]:
        try:
            result = retarget(read_clip(file), character)
        except InputError as error:
            print(f"| {file} | {str(error).splitlines()[0]} |")
            continue
        card = make_quality_report(result.motion, character, result.targets).to_json()
        distance, hits = card["keypoint_error_cm"], card["limit_violation_fraction"]
        doubts = ", ".join(c["label"] for c in card["checks"] if c["verdict"] != "pass")
        cells = [
            str(card["clip"]),
            str(card["frames"]),
            f"{distance['mean']:.1f}, {distance['p95']:.1f}" if distance else "",
            f"{card['foot_skate_cm_s']:.1f}",
            f"{card['penetration_mm']:.1f}",
            f"{card['float_mm']:.1f}",
            f"{hits:g}",
            str(card["joint_jumps"]),
            f"{card['verdict']}{': ' + doubts if doubts else ''}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
