"""``import mimic``: every public name is there, typed, documented, and imported only when it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

import mimic

ROOT = Path(mimic.__file__).parents[1]
FUNCTIONS = ("load_clip", "retarget", "make_env", "train", "evaluate", "render", "load_controller", "export")


@pytest.mark.parametrize("name", mimic.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(mimic, name).__doc__


def test_public_functions_stay_callable_after_their_rooms_are_imported():
    code = "import mimic.cli.commands.render, mimic.cli.commands.export, mimic.cli.commands.train, mimic; "
    code += f"print([name for name in {FUNCTIONS!r} if not callable(getattr(mimic, name))])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_importing_mimic_imports_neither_torch_nor_mujoco():
    code = "import mimic, sys; dir(mimic); sys.exit(bool({'torch', 'mujoco', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["trian", "--clip", "walk"]])
def test_help_version_and_a_misspelt_command_import_neither_torch_nor_mujoco(words):
    code = f"import sys; from mimic.cli.main import main; main({words!r}); "
    code += "sys.exit(3 if {'torch', 'mujoco', 'matplotlib'} & set(sys.modules) else 0)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        mimic.no_such_name  # noqa: B018


def test_training_without_an_end_is_refused():
    with pytest.raises(mimic.InputError, match=r"needs samples=N or minutes=M"):
        mimic.train("walk", "runs/never")
