"""Who owns what is exported, and what may be done with it."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from mimic.runs.controller import Controller, short_name
from mocap.catalogue import clip_names, resolve
from mocap.motion import Motion

CommercialUse = Literal["allowed", "not allowed", "unclear"]
_FREE = ("cc0", "public domain", "cc by 4.0", "mit license", "apache-2.0", "synthetic: authored for this program")
_NOT_FREE = ("non-commercial", "noncommercial", "by-nc")


def commercial_use(licence: str) -> CommercialUse:
    """What a licence text says of commercial use; whatever is not plainly free is unclear."""
    text = licence.lower()
    if any(words in text for words in _NOT_FREE):
        return "not allowed"
    return "allowed" if any(text.startswith(words) for words in _FREE) else "unclear"


def provenance(skill: Controller, motion: Motion) -> dict[str, Any]:
    """The manifest's ``licence`` part: clip, controller, and a warning unless all may be used commercially."""
    spec = skill.spec
    clip_licence = motion.license or "not stated"
    own = spec.clip_license or clip_licence
    clip = {
        "name": short_name(skill.clip),
        "source": motion.source if "(synthetic)" in motion.source else _source(skill.clip),
        "sha256": _sha256(motion.source),
        "licence": clip_licence,
        "commercial_use": commercial_use(clip_licence),
    }
    controller = {
        "algorithm": spec.algorithm,
        "seed": spec.seed,
        "training": spec.training.to_json() if spec.training else None,
        "derived_from": clip["name"],
        "licence": f"a controller trained on a clip carries the clip's terms: {own}",
        "commercial_use": commercial_use(own),
    }
    return {
        "clip": clip,
        "controller": controller,
        "character_and_code": "Apache-2.0 (mimic)",
        "warning": _warning(commercial_use(clip_licence), commercial_use(own)),
    }


def _sha256(source: str) -> str | None:
    """Of the file a motion was read from; None where it was not read from one."""
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source and Path(source).is_file() else None


def _source(clip: str) -> str:
    """Where the clip can be had; of a clip of the user's own only the file's name, for a path says more than it should."""
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
