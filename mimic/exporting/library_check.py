"""Check library.json and library.bin of an untrusted bundle: sizes, and the reference that our conductor makes of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from mimic.exporting.bundle_reader import BundleError
from mimic.exporting.tensors import split_tensors
from mimic.motion_graph.conductor import Conductor
from mimic.motion_graph.entries import Entries
from mimic.motion_graph.library import MotionLibrary


def check_library(library: Mapping[str, Any], tensors: Mapping[str, np.ndarray], actions: int) -> None:
    """Raise ValueError unless clips and entries lie inside the tables, and KeyError if a table is missing."""
    clips = library["clips"]
    rows, columns = tensors["table"].shape
    poses = tensors["entries.wait"].shape[0]
    if columns != 8 + actions or any(clip["first"] + clip["rows"] > rows for clip in clips):
        raise ValueError(
            f"a clip lies outside the table, which has {rows} rows, or a row has not {8 + actions} numbers"
        )
    if any(tensors[f"entries.{name}"].shape != (poses, len(clips)) for name in ("wait", "clip", "phase")):
        raise ValueError(f"the entries must have a column for each of {len(clips)} clips")
    if any(clip["poses"]["first"] + clip["poses"]["rows"] > poses for clip in clips):
        raise ValueError(f"the poses of a clip lie outside the entries, which have {poses} rows")
    wait, phase, entered = (tensors[f"entries.{name}"] for name in ("wait", "phase", "clip"))
    if not np.isin(entered, np.arange(len(clips))).all() or library["conductor"]["rest"] >= len(clips):
        raise ValueError("the clip that a jump enters, or the clip of rest, is not one of the clips")
    if not (wait >= 0).all() or not (wait <= 10_000).all() or not ((phase >= 0) & (phase <= 1)).all():
        raise ValueError("a wait is no number of control steps, or a phase is not from 0 to 1")
    if any(k >= len(clips) for k in (*library["gaits"], *library["recovery"]["getups"])):
        raise ValueError("a gait is not one of the clips, or a getup clip is not")


def reference_error(library: Mapping[str, Any], performance: Mapping[str, Any], data: bytes) -> float:
    """Return the largest difference of the reference in performance.json from that of our conductor on library.bin."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in split_tensors(library["tensors"], data).items()}
    clips = library["clips"]
    if performance["first"] >= len(clips):
        raise BundleError("performance.json: its first clip is not in library.json")
    conductor = Conductor(_library(library, tensors["table"]), _entries(clips, tensors), 1)
    conductor.rest = library["conductor"]["rest"]
    here = torch.tensor([0])
    conductor.start(here, torch.tensor([performance["first"]]), torch.tensor([performance["phase"]]))
    commands = {command["step"]: command for command in performance["commands"]}
    worst = 0.0
    for step, row in enumerate(performance["rows"]):
        if "get_up" in commands.get(step, {}):
            break  # needs the character's bodies, which players/check_library.mjs computes
        if step:
            conductor.advance(torch.tensor([row["qpos"][:3]]), torch.tensor([row["qpos"][3:7]]))
        _give(conductor, here, commands.get(step, {}), len(clips))
        now = conductor.poses(torch.tensor([0.0]))
        found = torch.cat([now.row[0, 0], now.heading[0]])
        expected = torch.tensor(row["reference"])
        if len(expected) != len(found):
            raise BundleError(f"performance.json: a reference has {len(expected)} numbers instead of {len(found)}")
        worst = max(worst, float((found - expected).abs().amax().nan_to_num(torch.inf)))
    return worst


def _give(conductor: Conductor, here: torch.Tensor, command: Mapping[str, Any], clips: int) -> None:
    if "steer" in command:
        speed, yaw_rate = command["steer"]
        conductor.steer(here, torch.tensor([speed]), torch.tensor([yaw_rate]))
    elif "play" in command:
        if command["play"] >= clips:
            raise BundleError(f"performance.json: plays clip {command['play']}, but there are {clips}")
        conductor.request(here, torch.tensor([command["play"]]), once=command.get("once", False))


def _library(library: Mapping[str, Any], table: torch.Tensor) -> MotionLibrary:
    clips = library["clips"]
    return MotionLibrary(
        names=tuple(clip["name"] for clip in clips),
        table=table,
        first=torch.tensor([clip["first"] for clip in clips]),
        rows=torch.tensor([clip["rows"] for clip in clips]),
        seconds=torch.tensor([clip["seconds"] for clip in clips]),
        loops=torch.tensor([clip["loop"] for clip in clips]),
        travel=torch.tensor([clip["travel"] for clip in clips]),
        turn=torch.tensor([clip["turn"] for clip in clips]),
        gaits=tuple(library["gaits"]),
        shift=torch.tensor([clip["shift"] for clip in clips]),
        frame_s=torch.tensor([clip["frame_s"] for clip in clips]),
    )


def _entries(clips: list[Mapping[str, Any]], tensors: Mapping[str, torch.Tensor]) -> Entries:
    return Entries(
        first=torch.tensor([clip["poses"]["first"] for clip in clips]),
        rows=torch.tensor([clip["poses"]["rows"] for clip in clips]),
        wait=tensors["entries.wait"].long(),
        clip=tensors["entries.clip"].long(),
        phase=tensors["entries.phase"],
        distance=torch.zeros_like(tensors["entries.phase"]),
    )
