"""The printed script completes commands, options and values in a real bash."""

import shutil
import subprocess

import pytest

import run_mimic
from mimic.core import program
from mocap.catalogue import clip_names

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


@pytest.fixture
def complete(capsys):
    def words(*typed: str) -> list[str]:
        assert run_mimic.main(["completion", "bash"]) == 0
        script = capsys.readouterr().out
        line = " ".join(f"'{word}'" for word in (program.name, *typed))
        ask = f'{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(typed)}; _mimic; echo "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
        return done.stdout.split()

    return words


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["ev"], ["evaluate"]),
        (["--cl"], ["--clip"]),
        (["train", "--al"], ["--algorithm"]),
        (["train", "--device", "c"], ["cpu", "cuda"]),
        (["train", "--clip", "cart"], ["cartwheel"]),
        (["--clip", "cart"], ["cartwheel"]),
        (["evaluate", "--controller", "dog-"], ["dog-authored"]),
        (["bench", "swi"], ["switch"]),
        (["nosuch", "--c"], []),
    ],
    ids=" ".join,
)
def test_words_are_completed(complete, typed, offered):
    assert complete(*typed) == offered


def test_every_clip_is_offered(complete):
    assert complete("play-clip", "--clip", "") == clip_names()


def test_zsh_reads_the_same_script(capsys):
    assert run_mimic.main(["completion", "zsh"]) == 0
    zsh = capsys.readouterr().out
    assert run_mimic.main(["completion", "bash"]) == 0
    assert zsh.startswith("autoload") and zsh.endswith(capsys.readouterr().out)
    assert run_mimic.main(["completion", "fish"]) == 2
