"""The files of a controller of a library of clips, for the bundle of schema version 2 and for the page."""

from mimic.core.errors import InputError
from mimic.exporting.library_table import library_table
from mimic.exporting.runtime_free import LIBRARY_VERSION, policy_files, versioned
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.play.switching import conducted_env
from mimic.runs.controller import Controller


def library_env(controller: Controller) -> ConductedEnv:
    """Make the environment in which one character follows commands. Raises InputError if the controller has no library."""
    if not controller.has_library:
        raise InputError(
            f"{controller.path}: observes the number of its clip, so it cannot follow commands; `steer` films such a controller"
        )
    return conducted_env(controller, controller.clips, 1, threads=1)


def library_files(controller: Controller, env: ConductedEnv) -> dict[str, bytes]:
    """Return the bytes of the files that a player reads, by name: character, policy and library."""
    described, data = library_table(env)
    return {
        **policy_files(controller, env, LIBRARY_VERSION),
        "library.json": versioned(described, version=LIBRARY_VERSION),
        "library.bin": data,
    }
