"""Write the motion of a controller or of a clip as GLB, BVH and USD, and as a page that plays it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from characters import Character, load_character
from mimic.core.errors import InputError, nearest
from mimic.core.files import make_folder, write_bytes
from mimic.exporting.bvh import character_bvh
from mimic.exporting.glb import character_glb
from mimic.exporting.joint_naming import distinct
from mimic.exporting.replay_page import export_replay
from mimic.exporting.simulated_motion import SimulatedMotion, simulate_motion
from mimic.exporting.usd import write_usd
from mimic.runs.controller import Controller
from mimic.tracking import rules_of
from mocap.catalogue import load_clip
from mocap.editing import best_cycle, blend_end, cut, from_origin, in_place, repeat_cycles, resample, seam_of
from mocap.motion import Motion
from retarget.ground import lift_penetration

FORMATS = ("glb", "bvh", "usd")
REPLAY_S, SHORTEST_REPLAY_S = 10.0, 4.0
_CYCLES, _LONGEST_S = 5, 20.0  # simulated to find the cycle that closes best


@dataclass(frozen=True)
class Cut:
    """The part of a motion to export.

    Attributes:
        fps: frame rate [1/s].
        seconds: length from the start [s]; None means one closed cycle, or the whole of a clip that does not loop.
        in_place: whether to remove the travel over the ground.
    """

    fps: float = 60.0
    seconds: float | None = None
    in_place: bool = False


@dataclass(frozen=True)
class Animation:
    """A motion ready to be written, and a line that tells how it was made."""

    motion: Motion
    character: Character
    note: str


def clip_animation(name: str, cut: Cut) -> Animation:
    """Prepare a clip for export; frames below the ground are lifted. Raises InputError."""
    motion = load_clip(name)
    character = load_character(motion.character)
    motion = lift_penetration(motion, character)
    turns = rules_of((motion,), character).sync_root_yaw
    if cut.seconds is None:
        return _finish(motion, character, cut, turns, [])
    notes = []
    if motion.loop and cut.seconds > motion.duration:
        cycles = math.ceil(cut.seconds / motion.duration)
        motion = repeat_cycles(blend_end(motion, turns), cycles, turns)
        notes = [f"{cut.seconds / (motion.duration / cycles):.1f} cycles"]
    return _finish(_first_seconds(motion, character, cut.seconds), character, cut, turns, notes)


def controller_animation(controller: Controller, cut: Cut) -> Animation:
    """Simulate a controller and prepare the motion for export. Raises InputError if the first control step fails."""
    clip = load_clip(controller.clip)
    character = load_character(clip.character)
    wanted = cut.seconds or clip.duration + 1.0
    cycle_wanted = clip.loop and cut.seconds is None
    if cycle_wanted:
        wanted = max(2 * clip.duration, min(_CYCLES * clip.duration, _LONGEST_S)) + 0.1
    recording = simulate_motion(controller, wanted)
    notes, motion = _shortened(recording), recording.simulated
    if cycle_wanted:
        motion = best_cycle(motion, character, recording.cycle_s)
    elif cut.seconds is not None and cut.seconds < motion.duration:
        motion = _first_seconds(motion, character, cut.seconds)
    return _finish(motion, character, cut, recording.turns, notes)


def replay_of_clip(name: str, seconds: float | None, fps: float, out: Path) -> str:
    """Write a page that plays a clip; a short cycle is repeated. Return a line on length and size. Raises InputError."""
    motion = load_clip(name)
    if seconds is None and motion.loop:
        seconds = motion.duration * math.ceil(SHORTEST_REPLAY_S / motion.duration)
    animation = clip_animation(name, Cut(fps, seconds))
    size = export_replay([animation.motion], animation.character, out, animation.motion.license)
    return f"{animation.motion.duration:.2f} s, {size / 1e6:.1f} MB"


def replay_of_controller(controller: Controller, seconds: float | None, fps: float, out: Path) -> str:
    """Write a page that plays a simulation, ten seconds by default, with its reference as a ghost.

    Returns a line on length and size. Raises InputError.
    """
    recording = simulate_motion(controller, seconds or REPLAY_S)
    character = load_character(recording.simulated.character)
    motions = [resample(motion, character, fps) for motion in (recording.simulated, recording.reference)]
    size = export_replay(motions, character, out, motions[0].license)
    return "; ".join([f"{motions[0].duration:.2f} s, {size / 1e6:.1f} MB", *_shortened(recording)])


def check_formats(formats: Sequence[str]) -> None:
    """Raise InputError if one of ``formats`` is unknown."""
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"no animation format '{name}'; {nearest(name, FORMATS)}")


def write_animations(animations: Sequence[Animation], formats: Sequence[str], out: Path) -> list[Path]:
    """Write animations below ``out``: a GLB for each character with all its motions, a BVH and a USD for each motion.

    Motions of the same name get a number. Returns the paths of the files.

    Raises:
        InputError: an unknown format, USD without usd-core, a folder that cannot be written.
    """
    check_formats(formats)
    names = distinct([animation.motion.name for animation in animations])
    animations = [replace(a, motion=replace(a.motion, name=n)) for a, n in zip(animations, names, strict=True)]
    make_folder(out)
    written = []
    if "glb" in formats:
        for character in {animation.character.name: animation.character for animation in animations}.values():
            motions = [each.motion for each in animations if each.character is character]
            path = out / f"{motions[0].name if len(motions) == 1 else character.name}.glb"
            write_bytes(path, character_glb(character, motions))
            written.append(path)
    writers: dict[str, Callable[[Motion, Character, Path], None]] = {"bvh": _write_bvh, "usd": write_usd}
    for name in (name for name in formats if name in writers):
        for animation in animations:
            path = out / f"{animation.motion.name}.{name}"
            writers[name](animation.motion, animation.character, path)
            written.append(path)
    return written


def _write_bvh(motion: Motion, character: Character, path: Path) -> None:
    write_bytes(path, character_bvh(motion, character))


def _shortened(recording: SimulatedMotion) -> list[str]:
    """Return a note if the character fell or the simulation diverged, else nothing."""
    return [f"it {recording.ended}"] if recording.fell else []


def _first_seconds(motion: Motion, character: Character, seconds: float) -> Motion:
    """Return the first ``seconds`` of a motion as a motion that does not loop."""
    fine = resample(replace(motion, loop=False), character, 240.0)
    return cut(fine, 0, min(max(2, round(seconds * 240.0) + 1), fine.num_frames) - 1)


def _finish(motion: Motion, character: Character, cut: Cut, turns: bool, notes: list[str]) -> Animation:
    if motion.loop:
        seam, motion = seam_of(motion), blend_end(motion, turns)
        notes = [
            f"a cycle that closes: its end missed its start by {math.degrees(seam.joint):.1f} degrees in the worst "
            f"joint and {100 * abs(seam.height):.1f} cm in height, worked in over its last part",
            *notes,
        ]
    motion = resample(from_origin(motion), character, cut.fps)
    if cut.in_place:
        motion = in_place(motion)
    line = f"{motion.name}: {motion.num_frames} frames at {cut.fps:g} frames/s, {motion.duration:.2f} s"
    return Animation(motion, character, "; ".join([line, *notes]))
