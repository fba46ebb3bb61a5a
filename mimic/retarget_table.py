"""Prints the table of docs/retargeting.md: ``python -m mimic.retarget_table CHARACTER FILE...``."""

import sys
from collections.abc import Sequence

import torch

from characters.character import load_character
from characters.errors import InputError
from mocap.formats import read_clip
from retarget.pipeline import retarget
from retarget.report import make_card

_HEADER = (
    "| clip | frames | error mean, p95 [cm] | skate [cm/s] | depth [mm] | float [mm] | limit hits | jumps | card |"
)


def main(argv: Sequence[str]) -> int:
    """One row a file; a file that cannot be used says why."""
    torch.set_num_threads(1)
    character = load_character(argv[0])
    print(_HEADER)
    print("|--" * (_HEADER.count("|") - 1) + "|")
    for file in argv[1:]:
        try:
            result = retarget(read_clip(file), character)
        except InputError as error:
            print(f"| {file} | {str(error).splitlines()[0]} |")
            continue
        card = make_card(result.motion, character, result.targets).to_json()
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
