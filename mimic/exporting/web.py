"""A static web page that runs controllers live in the browser and fetches nothing from other sites.

The physics is MuJoCo's own WebAssembly build with the bundle's ``character.xml``; the policy, observation and servo are
the bundle's JavaScript evaluator. ``make vendor`` builds ``vendor/`` from npm packages.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from mimic.core.errors import InputError
from mimic.exporting.glb import character_glb
from mimic.exporting.joint_naming import distinct, in_address
from mimic.exporting.library_files import library_env, library_files
from mimic.exporting.licence import provenance
from mimic.exporting.requirements import require_one_clip
from mimic.exporting.runtime_free import runtime_free_files
from mimic.exporting.tensors import json_bytes
from mimic.exporting.write import write_folder
from mimic.runs.controller import Controller

_ROOM = Path(__file__).parent
_PARTS = {
    "index.html": "page/live.html",
    "style.css": "page/style.css",
    "live.js": "page/live.js",
    "skill.js": "page/skill.js",
    "hand.js": "page/hand.js",
    "stage.js": "page/stage.js",
    "evaluator.js": "players/mimic.mjs",
    "three.min.js": "vendor/three.min.js",
    "mujoco.min.js": "vendor/mujoco.min.js",
    "mujoco.wasm.gz": "vendor/mujoco.wasm.gz",
    "three.LICENSE.txt": "vendor/three.LICENSE.txt",
    "mujoco.LICENSE.txt": "vendor/mujoco.LICENSE.txt",
    "vendor.json": "vendor/vendor.json",
}
_DRIVE = {
    "index.html": "page/drive.html",
    "drive.js": "page/drive.js",
    "performer.js": "page/performer.js",
    "input.js": "page/input.js",
    "library.js": "players/library.mjs",
    "conductor.js": "players/conductor.mjs",
    "recovery.js": "players/recovery.mjs",
}

_MODULES = ("library.js", "conductor.js", "recovery.js")


def export_web(controllers: Sequence[Controller], out: Path) -> int:
    """Write the page's folder, replacing an earlier page there; return its size in bytes.

    Raises:
        InputError: ``out`` holds other files than an earlier page's or cannot be written, or a controller cannot be
            exported.
    """
    files = web_files(controllers)
    write_folder(out, files)
    return sum(map(len, files.values()))


def web_files(controllers: Sequence[Controller]) -> dict[str, bytes]:
    """Return the bytes of every file by path, first ``manifest.json``, which lists the files of the folder.

    Controllers of a library make a page in which one drives them, others one that shows each skill.

    Raises InputError if a controller cannot be exported, or some but not all have a library.
    """
    libraries = [controller.has_library for controller in controllers]
    if any(libraries) and not all(libraries):
        one, several = controllers[libraries.index(False)], controllers[libraries.index(True)]
        raise InputError(
            f"a page is for controllers of one clip, or for those of a library; '{one.path.name}' is of one clip, "
            f"'{several.path.name}' of a library. Make a page for each"
        )
    files = _drive_files(controllers) if all(libraries) else _skill_files(controllers)
    listing = {"format": "mimic web page", "files": sorted(files)}
    return {"manifest.json": (json.dumps(listing, indent=1) + "\n").encode(), **files}


def _drive_files(controllers: Sequence[Controller]) -> dict[str, bytes]:
    """Return the files of the page in which one drives characters."""
    parts = {**_PARTS, **_DRIVE}
    del parts["live.js"]
    files = {name: (_ROOM / part).read_bytes() for name, part in parts.items()}
    for name in _MODULES:
        for theirs in ("evaluator.js", *_MODULES):
            module = Path(parts[theirs]).name
            files[name] = files[name].replace(f'"./{module}"'.encode(), f'"./{theirs}"'.encode())
    names = distinct([in_address(controller.path.name) for controller in controllers])
    entries = []
    for name, controller in zip(names, controllers, strict=True):
        env = library_env(controller)
        folder = f"characters/{name}"
        files |= {f"{folder}/{part}": data for part, data in library_files(controller, env).items()}
        files[f"{env.character.name}.glb"] = character_glb(env.character)
        warning = provenance(controller, *env.motions[: len(controller.clips)]).warning
        entries.append({"name": name, "folder": folder, "character": env.character.name, "warning": warning})
    return {**files, "characters.json": json_bytes({"characters": entries})}


def _skill_files(controllers: Sequence[Controller]) -> dict[str, bytes]:
    """Return the files of the page that shows skills."""
    files = {name: (_ROOM / part).read_bytes() for name, part in _PARTS.items()}
    for controller in controllers:
        require_one_clip(controller)
    envs = [controller.make_env(1, threads=1) for controller in controllers]
    names = distinct([in_address(env.motion.name) for env in envs])
    entries = []
    for name, controller, env in zip(names, controllers, envs, strict=True):
        files |= {f"skills/{name}/{part}": data for part, data in runtime_free_files(controller, env).items()}
        files[f"{env.character.name}.glb"] = character_glb(env.character)
        warning = provenance(controller, env.motion).warning
        entries.append({"name": name, "folder": f"skills/{name}", "character": env.character.name, "warning": warning})
    return {**files, "skills.json": json_bytes({"skills": entries})}
