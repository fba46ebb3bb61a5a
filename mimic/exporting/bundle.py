"""The controller bundle: a folder or zip file with everything that runs a controller in a game engine.

The same controller gives the same bytes every time: a bundle holds no time, machine name or path.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mimic.core.packages import require_package
from mimic.exporting.axes import conventions
from mimic.exporting.glb import character_glb
from mimic.exporting.library_bundle import PLAYERS, library_bundle
from mimic.exporting.licence import Provenance, provenance
from mimic.exporting.observation_schema import observation
from mimic.exporting.readme import bundle_readme
from mimic.exporting.requirements import require_one_clip
from mimic.exporting.runtime_free import (
    LIBRARY_VERSION,
    SCHEMA_VERSION,
    policy_tensors,
    runtime_free_files,
    versioned,
)
from mimic.exporting.schema_parts import control, skeleton
from mimic.exporting.tensors import json_bytes
from mimic.exporting.test_vectors import test_vectors
from mimic.exporting.urdf import character_urdf
from mimic.exporting.write import refuse_foreign_files, write_folder, write_zip
from mimic.runs.controller import Controller
from mimic.tracking import TrackingEnv

TOOLKIT_VERSION = "0.1.0"
MANIFEST = "manifest.json"
_ROOM = Path(__file__).parent
_COPIED = ("players", "samples")
_OF_LIBRARIES = {f"players/{name}" for name in PLAYERS if name != "mimic.mjs"}


def export_bundle(controller: Controller, out: Path, as_zip: bool = False) -> tuple[Path, dict[str, Any]]:
    """Write the bundle of a controller. Returns its path and its manifest.

    Raises InputError if onnx is not installed, the controller cannot be exported, or folder ``out`` holds other files than
    a bundle's.
    """
    path = out if not as_zip or out.suffix == ".zip" else out.with_name(f"{out.name}.zip")
    if not as_zip:
        refuse_foreign_files(path)
    files = bundle_files(controller)
    (write_zip if as_zip else write_folder)(path, files)
    return path, _parse(files[MANIFEST])


def bundle_files(controller: Controller) -> dict[str, bytes]:
    """Return the bytes of every file of the bundle by path, the manifest first.

    Raises InputError if onnx is not installed, or the controller cannot be exported.
    """
    require_package("onnx", "export")
    if controller.has_library:
        conducted, licence, files = library_bundle(controller, _copies())
        return {MANIFEST: _manifest(controller, conducted, licence, files, LIBRARY_VERSION), **files}
    require_one_clip(controller)
    env = controller.make_env(1, threads=1)
    described = {"skeleton": skeleton(env.character), "control": control(env), "observation": observation(env)}
    licence = provenance(controller, env.motion)
    files = {
        **_onnx_files(controller, env, described),
        **runtime_free_files(controller, env),
        "conventions.json": versioned(conventions()),
        "character.urdf": character_urdf(env.character),
        "character.glb": character_glb(env.character, [env.motion]),
        "testvectors.json": versioned(test_vectors(controller), compact=True),
        "README.md": bundle_readme(controller, env, licence),
        **{name: data for name, data in _copies().items() if name not in _OF_LIBRARIES},
    }
    return {MANIFEST: _manifest(controller, env, licence, files, SCHEMA_VERSION), **files}


def _onnx_files(controller: Controller, env: TrackingEnv, described: Mapping[str, Any]) -> dict[str, bytes]:
    # imported here because onnx is an optional package
    from mimic.exporting.onnx_controller import controller_onnx
    from mimic.exporting.onnx_policy import metadata, policy_onnx

    tensors = policy_tensors(controller.policy)
    bodies = [body["name"] for body in described["skeleton"]["bodies"]]
    notes = metadata({"schema_version": SCHEMA_VERSION, **described}, described["control"]["joints"], bodies)
    return {
        "policy.onnx": policy_onnx(tensors, notes),
        "controller.onnx": controller_onnx(env, tensors, notes),
    }


def _copies() -> dict[str, bytes]:
    """Read the players and samples, which are in folders beside this file, by path."""
    return {
        path.relative_to(_ROOM).as_posix(): path.read_bytes()
        for folder in _COPIED
        for path in sorted((_ROOM / folder).rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }


def _manifest(
    controller: Controller, env: TrackingEnv, licence: Provenance, files: Mapping[str, bytes], version: int
) -> bytes:
    return json_bytes(
        {
            "schema_version": version,
            "format": "mimic controller bundle",
            "toolkit": f"mimic {TOOLKIT_VERSION}",
            "name": env.motion.name if version == SCHEMA_VERSION else controller.path.name,
            "character": env.character.name,
            "warning": licence.warning,
            "licence": licence.to_json(),
            "evaluation": controller.spec.evaluation,
            "dimensions": {"observation": env.obs_dim, "action": env.act_dim},
            "files": {
                name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in sorted(files.items())
            },
        }
    )


def _parse(data: bytes) -> dict[str, Any]:
    import json

    return dict(json.loads(data))
