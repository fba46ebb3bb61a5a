"""What a stranger may hand over beside motions, as targets of the fuzz run: controllers, bundles, presets, maps, scripts.

The hashes of folders are made right again after a change, as an attacker would; a wrong hash is refused before anything is
parsed (tests/core/test_checkpoint.py).
"""

import json
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from mimic.core.checked_folder import MANIFEST as CHECKED_BY
from mimic.core.checked_folder import write_checked_folder
from mimic.core.errors import ConfigError, InputError
from mimic.exporting.bundle import MANIFEST, bundle_files
from mimic.exporting.bundle_reader import BundleError
from mimic.exporting.verify import Verdict, verify
from mimic.play.script import Script, read_script
from mimic.runs.controller import Controller, load_controller
from mimic.runs.preset import Preset, load_preset
from mocap.clip_library import read_library
from retarget.mapping import read_map
from tests.exporting import bundles
from tests.garbling import Target, garble, garble_header, garble_json

Files = dict[str, bytes]
_PLACE = tempfile.TemporaryDirectory(prefix="mimic-fuzz-")  # removed when the process ends
_PRESETS = Path(__file__).parents[2] / "mimic" / "presets"
_MAP = b"pelvis: Hips\nchest: Spine2\nhead: Head\nleft_hip: LeftUpLeg\nleft_knee: LeftLeg\nleft_ankle: LeftFoot\n"
_PACK = b"clips:\n  - walk\n  - {clip: jog, weight: 2, span: [0.5, 3.0]}\n  - {clip: run, mirror: true}\n"
_SCRIPT = b"""seconds: 20
clip: walk
commands:
  - {at: 0, steer: {speed: 1.3, turn: -0.2}}
  - {at: 3, play: jump, once: true}
  - {at: 9, push: {impulse: 60, direction: 90}}
  - {at: 12, stop: true}
"""


def targets() -> dict[str, Target]:
    """All formats by name."""
    return {
        "preset": _text(load_preset, (_PRESETS / "fast.yaml").read_bytes(), ConfigError, Preset),
        "map": _text(read_map, _MAP, ConfigError, dict),
        "pack": _text(read_library, _PACK, InputError, tuple),
        "script": _text(lambda file: read_script(Path(file), ("walk", "jump")), _SCRIPT, ConfigError, Script),
        "controller": Target(_load, lambda: (_controller_files(),), _garble_one, InputError, _is_finite, share=0.2),
        "bundle": Target(_verify, lambda: (bundle_files(_controller()),), _garble_one, BundleError, share=0.02),
    }


def _text(read: Callable[[str], Any], good: bytes, refuses: type[InputError], kind: type[Any]) -> Target:
    def read_bytes(data: bytes) -> Any:
        file = Path(_PLACE.name) / "given.yaml"
        file.write_bytes(data)
        return read(str(file))

    return Target(read_bytes, lambda: (good,), garble, refuses, lambda found: isinstance(found, kind))


@cache
def _controller() -> Controller:
    return bundles.untrained(Path(_PLACE.name), "humanoid")


def _controller_files() -> Files:
    return {path.name: path.read_bytes() for path in _controller().path.iterdir() if path.name != CHECKED_BY}


def _garble_one(files: Files, rng: random.Random) -> Files:
    """One file of a folder changed: JSON mostly inside, so that it still is JSON."""
    name = rng.choice(sorted(files))
    return files | {name: (garble_json if name.endswith(".json") else garble_header)(files[name], rng)}


def _load(files: Files) -> Controller:
    folder = Path(_PLACE.name) / "garbled"
    write_checked_folder(folder, files)
    return load_controller(folder)


def _is_finite(controller: Controller) -> bool:
    with torch.no_grad():
        action = controller.policy.mean(torch.zeros(1, controller.policy.obs_dim))
    return controller.spec.character != "" and not bool(action.isnan().any())


def _verify(files: Files) -> Verdict:
    """Verify the bundle of these files, whose manifest gets the right hashes if it still is one."""
    manifest = files[MANIFEST]
    with suppress(ValueError, TypeError, AttributeError, KeyError):
        content = json.loads(manifest)
        content["files"] |= {
            name: {"size": len(data), "sha256": sha256(data).hexdigest()}
            for name, data in files.items()
            if name != MANIFEST
        }
        manifest = json.dumps(content).encode()
    folder = Path(_PLACE.name) / "bundle"
    bundles.write(folder, {**files, MANIFEST: manifest})
    return verify(folder)
