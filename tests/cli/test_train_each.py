"""``train --each``: one command line for a list of trainings, begun, resumed, or as jobs of a cluster."""

import pytest

from mimic.cli.commands import train_each
from mimic.cli.main import main
from mimic.runs.side_by_side import Outcome


@pytest.fixture
def started(monkeypatch):
    """The trainings that would have started, none of which does."""
    found = []

    def pretend(trainings, at_once, environment, say):
        found.append((list(trainings), at_once, environment(0)))
        return [Outcome(0, 0, 0.0, None, "") for _ in trainings]

    monkeypatch.setattr(train_each, "train_side_by_side", pretend)
    return found


def test_each_clip_has_its_process_and_folder(started, tmp_path):
    words = ["--clip", "walk,run", "--each", "--jobs", "2", "--threads", "1", "--samples", "1e5", "--preset", "feet"]
    assert main(["train", *words, "--set", "num_envs=64", "--out", str(tmp_path)]) == 0
    (trainings, at_once, environment), *_ = started
    assert at_once == 2 and environment["OMP_NUM_THREADS"] == "1"
    first = ["train", "--clip", "walk", "--out", str(tmp_path / "walk-awr"), "--threads", "1", "--samples", "100000"]
    assert list(trainings[0].words) == [*first, "--preset", "feet", "--set", "num_envs=64"]
    assert trainings[1].folder == tmp_path / "run-awr"


def test_a_run_that_began_goes_on_with_its_settings_and_another_begins(started, tmp_path):
    (tmp_path / "walk-awr").mkdir()
    (tmp_path / "walk-awr" / "config.json").write_text("{}")
    words = ["--clip", "walk,run", "--each", "--minutes", "2", "--preset", "feet", "--resume", "--out", str(tmp_path)]
    assert main(["train", *words]) == 0
    walk, run = started[0][0]
    assert walk.words[-1] == "--resume" and "--preset" not in walk.words
    assert run.words[-2:] == ("--preset", "feet") and "--resume" not in run.words


def test_a_job_of_a_cluster_trains_one_clip_of_the_list(tmp_path):
    asked = []

    def remember(args):
        asked.append((args.clip, args.out, args.resume, args.each))
        return 0

    words = ["--clip", "walk,run", "--job", "1", "--resume", "--out", str(tmp_path)]
    assert train_each.train_each(_parsed(words), remember) == 0
    assert asked == [("run", tmp_path / "run-awr", False, False)]


def _parsed(words):
    from mimic.cli.main import all_commands

    return all_commands().parser.parse(["train", "--each", *words])


@pytest.mark.parametrize(
    "words, message",
    [
        (["--clip", "walk,wlak", "--each"], "wlak"),
        (["--clip", "walk,run,walk", "--each"], "walk is named twice"),
        (["--task", "CartPole-v1", "--each"], "--each trains clips"),
        (["--clip", "walk,run", "--each", "--job", "2"], "there are 2 clips, so it must be 0 to 1"),
        (["--clip", "walk", "--jobs", "2"], "belong to --each"),
        (["--clip", "walk", "--each", "--job", "x"], "must be a whole number"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys, started):
    assert main(["train", *words]) == 2
    assert message in capsys.readouterr().err
    assert not started
