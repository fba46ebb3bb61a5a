import json

import numpy as np
import pytest
from PIL import Image

from mimic.analysis.curves import curve_table, draw_curves, reach_table, read_curve, read_groups
from mimic.core.errors import InputError
from mimic.runs.preset import load_preset
from mimic.runs.run_config import run_to_dict, tracking_run


@pytest.fixture
def folder(tmp_path):
    """Makes run folders: evaluations every ``step`` million samples, an hour a million, returns as given."""

    def make(name, returns, algorithm="awr", seed=0, step=0.5, **settings):
        run = tmp_path / name
        run.mkdir()
        config = {"clip": "walk", "algorithm": algorithm, "seed": seed, "preset": settings}
        (run / "config.json").write_text(json.dumps(config))
        rows = []
        for k, score in enumerate(returns):
            samples = int(1e6 * step * k)
            row = {"iteration": 2 * k, "samples": samples, "time_s": 3600 * step * k}
            rows += [row | {"eval/normalized_return": score, "eval/mean_time_s": 20 * score}]
            rows += [row | {"iteration": 2 * k + 1, "samples": samples + 5, "kl": 0.01}]
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return run

    return make


def test_seeds_of_one_algorithm_are_one_group_and_other_settings_another(folder):
    runs = [folder("a0", [0, 0.2]), folder("a1", [0, 0.4], seed=1), folder("p0", [0, 0.1], algorithm="ppo")]
    assert [(g.name, len(g.curves)) for g in read_groups(runs)] == [("AWR, 2 seeds", 2), ("PPO", 1)]
    wide = folder("wide", [0, 0.3], std=0.3)
    assert [g.name for g in read_groups([*runs, wide])] == ["a0, 2 seeds", "PPO", "wide"]
    assert [g.name for g in read_groups([wide])] == ["wide"]


def test_runs_are_grouped_by_settings_and_not_by_how_often_they_were_evaluated(folder):
    often, seldom = {"trainer": {"evaluate_every": 250_000, "ema_decay": 0.9}}, {"trainer": {"ema_decay": 0.9}}
    runs = [folder("a0", [0, 0.2], **seldom), folder("a1", [0, 0.1, 0.4], seed=1, step=0.25, **often)]
    other = folder("a2", [0, 0.3], seed=2, trainer={"ema_decay": 0.5})
    assert [len(g.curves) for g in read_groups([*runs, other])] == [2, 1]


def test_rows_are_as_far_apart_as_evaluations(folder):
    rows = curve_table(read_groups([folder("a", [0.0, 0.1, 0.2, 0.3], step=0.25)])).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| 0", "| 0.25", "| 0.5", "| 0.75"]


def test_runs_without_a_readable_configuration_stand_alone(folder):
    runs = [folder("a", [0, 0.2]), folder("b", [0, 0.4])]
    for run, text in zip(runs, ("{", "[1]"), strict=True):
        (run / "config.json").write_text(text)
    assert [g.name for g in read_groups(runs)] == ["a", "b"]


def test_the_table_has_means_and_ranges_by_samples(folder):
    runs = [folder("a0", [0.0, 0.2, 0.5]), folder("a1", [0.1, 0.4], seed=1), folder("p", [0.0, 0.1], "ppo")]
    lines = curve_table(read_groups(runs)).splitlines()
    assert lines[0] == "| samples (M) | AWR, 2 seeds | PPO |" and lines[1] == "|--|--|--|"
    assert lines[2] == "| 0 | 0.050 (0.000 to 0.100) | 0.000 (0.0 s) |"
    assert lines[3] == "| 0.5 | 0.300 (0.200 to 0.400) | 0.100 (2.0 s) |"
    assert lines[4] == "| 1 | 0.500 (0.500 to 0.500, 1 of 2) |  |"


def test_long_and_finely_evaluated_runs_make_no_endless_table(folder):
    table = curve_table(read_groups([folder("long", np.linspace(0, 1, 400).tolist(), step=0.1)]))
    assert 15 < len(table.splitlines()) < 30
    assert len(curve_table(read_groups([folder("once", [0.3])])).splitlines()) == 3


def test_means_are_of_returns_at_equal_samples_and_at_equal_time(folder):
    (group,) = read_groups([folder("a", [0.0, 0.2, 0.4]), folder("b", [0.0, 0.4], seed=1)])
    assert (group.reach("samples"), group.reach("hours")) == (0.5, 0.5)
    np.testing.assert_allclose(group.at(np.array([0.25, 0.5]), "samples"), [[0.1, 0.2], [0.2, 0.4]])


def test_the_table_says_when_each_run_reaches_a_return(folder):
    runs = [folder("a", [0.0, 0.3, 0.6]), folder("b", [0.0, 0.1, 0.2], seed=1)]
    assert reach_table(read_groups(runs), 0.5).splitlines()[2:] == ["| a | 1.00 | 60 |", "| b | not | not |"]


def test_the_picture_has_a_line_for_each_group_over_samples_and_time(folder, tmp_path):
    runs = [folder("a0", [0, 0.2, 0.3]), folder("a1", [0, 0.3, 0.5], seed=1), folder("p", [0, 0.1, 0.2], "ppo")]
    draw_curves(read_groups(runs), tmp_path / "new" / "curves.png")
    picture = np.asarray(Image.open(tmp_path / "new" / "curves.png").convert("RGB")).astype(int)
    half = picture.shape[1] // 2
    for side in (picture[:, :half], picture[:, half:]):
        for colour in ((31, 119, 180), (255, 127, 14)):
            assert (np.abs(side - colour).sum(-1) < 20).any()


def test_folders_without_evaluations_are_refused_and_strange_rows_ignored(folder, tmp_path):
    run = folder("a", [0.1, 0.2])
    strange = {"iteration": 9, "samples": 10**400, "time_s": 1, "eval/normalized_return": 0.5, "eval/mean_time_s": 1}
    words = {"iteration": 9, "samples": 5, "time_s": "late", "eval/normalized_return": 0.5, "eval/mean_time_s": 1}
    with open(run / "metrics.jsonl", "a") as file:
        file.write(json.dumps(strange) + "\n" + json.dumps(words) + "\n")
    assert [p.score for p in read_curve(run)[0]] == [0.1, 0.2]
    for empty in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match="no evaluations"):
            read_curve(empty)


def test_a_folder_given_twice_is_one_run_and_runs_of_one_seed_are_not_seeds(folder):
    first, again = folder("a0", [0, 0.2]), folder("a0-again", [0, 0.2])
    assert [(g.name, len(g.curves)) for g in read_groups([first, first])] == [("a0", 1)]
    assert [g.name for g in read_groups([first, again])] == ["AWR, 2 runs"]


def test_a_run_older_than_a_setting_counts_as_having_its_default(folder):
    newer, older, other = folder("new", [0, 0.2]), folder("old", [0, 0.3]), folder("other", [0, 0.4])
    config = run_to_dict(tracking_run("walk", load_preset("fast"), "awr"))
    (newer / "config.json").write_text(json.dumps(config))
    (other / "config.json").write_text(json.dumps(run_to_dict(tracking_run("walk", load_preset("feet"), "awr"))))
    del config["learn_threads"], config["task"]["env"]["pushes"]
    (older / "config.json").write_text(json.dumps(config | {"seed": 1}))
    assert [group.name for group in read_groups([newer, older, other])] == ["new, 2 seeds", "other"]
