"""Provenance of an export: the origin and licence of its clip and of its controller."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mimic.runs.controller import Controller, short_name
from mocap.catalogue import clip_names, resolve
from mocap.motion import Motion

CommercialUse = Literal["allowed", "not allowed", "unclear"]
_FREE = ("cc0", "public domain", "cc by 4.0", "mit license", "apache-2.0", "synthetic: authored for this program")
_NOT_FREE = ("non-commercial", "noncommercial", "by-nc")


def commercial_use(licence: str) -> CommercialUse:
    """Tell whether a licence text allows commercial use; "unclear" unless the text plainly allows or forbids it."""
    text = licence.lower()
    if any(words in text for words in _NOT_FREE):
        return "not allowed"
    return "allowed" if any(text.startswith(words) for words in _FREE) else "unclear"


@dataclass(frozen=True)
class ClipProvenance:
    """The clip that a controller imitates: name, address or file name, sha256 of the file, and licence."""

    name: str
    source: str
    sha256: str | None
    licence: str
    commercial_use: CommercialUse


@dataclass(frozen=True)
class ControllerProvenance:
    """The training that made a controller, and the licence that follows from its clips."""

    algorithm: str | None
    seed: int | None
    training: dict[str, Any] | None
    derived_from: str
    licence: str
    commercial_use: CommercialUse


@dataclass(frozen=True)
class Provenance:
    """The ``licence`` part of a manifest; ``warning`` is None if clips and controller may be used commercially."""

    clips: tuple[ClipProvenance, ...]
    controller: ControllerProvenance
    character_and_code: str
    warning: str | None

    @property
    def clip(self) -> ClipProvenance:
        """The clip, or the first of several."""
        return self.clips[0]

    def to_json(self) -> dict[str, Any]:
        """Return the ``licence`` part of the manifest: one ``clip``, or the ``clips`` of a library."""
        part = asdict(self)
        clips = part.pop("clips")
        return {"clip": clips[0], **part} if len(clips) == 1 else {"clips": list(clips), **part}


def provenance(controller: Controller, *motions: Motion) -> Provenance:
    """Return origin and licence of a controller and of its clips; ``motions`` are those of ``controller.clips``."""
    spec = controller.spec
    clips = tuple(_clip(name, motion) for name, motion in zip(controller.clips, motions, strict=True))
    controller_licence = spec.clip_license or clips[0].licence
    controller_use = commercial_use(controller_licence)
    trained = ControllerProvenance(
        algorithm=spec.algorithm,
        seed=spec.seed,
        training=spec.training.to_json() if spec.training else None,
        derived_from="+".join(clip.name for clip in clips),
        licence=f"a controller trained on a clip carries the clip's terms: {controller_licence}",
        commercial_use=controller_use,
    )
    warning = _warning(controller_use, *(clip.commercial_use for clip in clips))
    return Provenance(clips, trained, "Apache-2.0 (mimic)", warning)


def _clip(name: str, motion: Motion) -> ClipProvenance:
    licence = motion.license or "not stated"
    return ClipProvenance(
        name=short_name(name),
        source=motion.source if "(synthetic)" in motion.source else _source(name),
        sha256=_sha256(motion.source),
        licence=licence,
        commercial_use=commercial_use(licence),
    )


def _sha256(source: str) -> str | None:
    """Return the sha256 of the file that a motion was read from; None if there is no such file."""
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source and Path(source).is_file() else None


def _source(clip: str) -> str:
    """Return the address of a named clip, or only the file name of a user's clip, because a path may be private."""
    return resolve(clip).url if clip in clip_names() else Path(clip).name


def _warning(*uses: CommercialUse) -> str | None:
    if "not allowed" in uses:
        return "NOT FOR COMMERCIAL USE: the clip is under a non-commercial licence, and what was trained on it too."
    if "unclear" in uses:
        return (
            "COMMERCIAL USE UNCLEAR: the licence of the clip does not plainly allow it. Ask its owner before you ship "
            "the clip or the controller, and do not redistribute the reference clip in this bundle."
        )
    return None
