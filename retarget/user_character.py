"""Makes a character from a user's MJCF. A short YAML names the key bodies, or the bodies' names determine them."""

from pathlib import Path

import torch

from characters.character import Character, KeyBody, load_character
from characters.checked_mjcf import check_mjcf
from characters.import_mjcf import body_tree, import_mjcf, read_user_yaml
from characters.roles import ROLES
from mimic.core.errors import ClipError, ConfigError
from mimic.core.strict_config import read_yaml
from retarget.mapping import map_skeleton

_YAML = (".yaml", ".yml")


def user_character(path: Path, folder: Path) -> Character:
    """Load the character of an MJCF, of a short YAML that names an MJCF, or of a complete character YAML.

    An MJCF is converted to a character in ``folder / name``. Clips name it by the path of its YAML.

    Raises:
        InputError: the MJCF cannot be converted.
        ConfigError: a needed role has no body; the message contains a YAML to complete.
    """
    if path.suffix in _YAML:
        if "mass_kg" in read_yaml(path):
            return load_character(str(path.resolve()))
        user = read_user_yaml(path)
        model, keys = path.parent / user.model, user.key_bodies
        unknown = sorted(set(keys) - set(ROLES))
        if unknown:
            raise ConfigError(f"{path}: no role {', '.join(unknown)}; valid: {', '.join(ROLES)}")
        name = user.name or model.stem
    else:
        model, name, keys = path, path.stem, guess_keys(path)
    return load_character(str(import_mjcf(model, keys, folder, name)))


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the MJCF that ``path`` is or names, its includes and its meshes. Raises InputError."""
    if path.suffix in _YAML:
        path = path.parent / str(read_yaml(path).get("model", ""))
    return check_mjcf(path)


def guess_keys(model: Path) -> dict[str, KeyBody]:
    """Find the key bodies by the names of an MJCF's bodies. Raises ConfigError with a YAML to complete."""
    names, parents, places = body_tree(model)
    try:
        mapping = map_skeleton(names, parents, torch.from_numpy(places)[None])
    except ClipError as error:
        text = str(error).split("\n\n")[-1]
        lines = [line if line.endswith("?") else line.replace(": ", ": {body: ") + "}" for line in text.splitlines()]
        body = "\n".join("  " + line for line in lines)
        raise ConfigError(
            f"{model}: cannot tell which bodies have these roles. Write this YAML beside it, complete it, and use "
            f"--character FILE.yaml. In it, `at: [x, y, z]` is a point of a body that has no joint there.\nbodies: "
            f"{', '.join(names)}\n\nmodel: {model.name}\nkey_bodies:\n{body}"
        ) from None
    return {role: KeyBody(names[j]) for role, j in mapping.joints.items()}
