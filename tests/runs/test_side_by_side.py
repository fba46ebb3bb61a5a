"""Trainings side by side: each ends as its own process ended, and an exception here ends all of them."""

import json
import os

import pytest

from mimic.rl.metrics_log import METRICS_FILE
from mimic.runs import side_by_side
from mimic.runs.side_by_side import LOG_FILE, Training, train_side_by_side


def training(tmp_path, name, *words):
    return Training(name, words, tmp_path / name)


def test_each_training_ends_as_its_own_process_ended(tmp_path):
    lines = []
    outcomes = train_side_by_side(
        [training(tmp_path, "good", "--version"), training(tmp_path, "bad", "nonsense")],
        2,
        lambda place: {},
        lines.append,
    )
    assert [outcome.code for outcome in outcomes] == [0, 2]
    assert "no command 'nonsense'" in outcomes[1].last_line
    assert "[1 of 2] good is done" in lines and "[2 of 2] bad ended with exit code 2" in lines


def test_a_place_is_used_again_and_gives_its_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "_START", "import os; print('place', os.environ['PLACE'])")
    trainings = [training(tmp_path, str(number)) for number in range(3)]
    outcomes = train_side_by_side(trainings, 1, lambda place: {"PLACE": str(place)}, lambda line: None)
    assert [outcome.last_line for outcome in outcomes] == ["place 0"] * 3


def test_the_table_reads_the_log_of_the_run(tmp_path):
    one = training(tmp_path, "walk", "--version")
    one.folder.mkdir()
    rows = [
        {"iteration": 0, "samples": 0, "time_s": 0.0, "eval/normalized_return": 0.1},
        {"iteration": 9, "samples": 4000, "time_s": 90.0, "eval/normalized_return": 0.7},
        {"iteration": 10, "samples": 5000, "time_s": 120.0},
    ]
    (one.folder / METRICS_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (outcome,) = train_side_by_side([one], 1, lambda place: {}, lambda line: None)
    assert (outcome.samples, outcome.minutes, outcome.best) == (5000, 2.0, 0.7)


def test_an_exception_ends_the_processes_by_sigterm_and_starts_no_more(tmp_path, monkeypatch):
    wait = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    monkeypatch.setattr(side_by_side, "_START", wait)
    trainings = [training(tmp_path, "first"), training(tmp_path, "second")]
    log = trainings[0].folder / LOG_FILE

    def stop_when_it_runs(_seconds):
        if log.read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(side_by_side.time, "sleep", stop_when_it_runs)
    with pytest.raises(KeyboardInterrupt):
        train_side_by_side(trainings, 1, lambda place: {}, lambda line: None)
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)
    assert not trainings[1].folder.exists()
