"""Characters by name. A character is a folder ``NAME`` that holds ``NAME.yaml`` and the MJCF that the YAML names.

Every such folder in ``characters/`` is registered on import; ``register_character`` registers a folder elsewhere. This
module imports neither torch nor MuJoCo, so that the command line can list the names at once.
"""

from pathlib import Path

from mimic.core.errors import ConfigError
from mimic.core.registry import Registry

CHARACTERS: Registry[Path] = Registry("character")
"""The YAML of each character."""


def register_character(folder: Path | str) -> str:
    """Register a character's folder under the folder's name. A module named in ``MIMIC_PLUGINS`` may call this.

    Returns:
        The character's name.

    Raises:
        ConfigError: the folder lacks ``NAME.yaml``, or another folder has registered the name.
    """
    folder = Path(folder).resolve()
    path = folder / f"{folder.name}.yaml"
    if not path.is_file():
        raise ConfigError(f"{folder}: the file {path.name} is missing; every character's folder holds one")
    CHARACTERS.register(folder.name)(path)
    return folder.name


def character_names() -> list[str]:
    """Return the names of all characters, sorted."""
    return CHARACTERS.names()


for _path in sorted(Path(__file__).parent.glob("*/*.yaml")):
    if _path.stem == _path.parent.name:
        register_character(_path.parent)
