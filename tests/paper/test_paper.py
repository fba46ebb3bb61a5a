"""Tables and figures of the lecture: the runs they plan, running and resuming them, and their cells."""

import json
from statistics import stdev

import pytest

from mimic.cli.main import main
from mimic.paper import NAMES
from mimic.paper.cells import quoted_cells, run_cells
from mimic.paper.cost import hours
from mimic.paper.job import CLIP_PRESETS, Job, Variant
from mimic.paper.picture import draw
from mimic.paper.plans import PLANS, Panel, Plan
from mimic.paper.runner import run_missing
from mimic.runs.preset import load_preset

QUICK = ("num_envs=4", "awr.rollout.steps=8", "policy.actor_sizes=[8]", "policy.critic_sizes=[8]")
QUICK += ("trainer.tensorboard=false", "awr.rollout.replay_iterations=1")
TINY = Panel("CartPole-v1", (Variant("AWR", "awr", QUICK),), 64, 2, "tiny")
PLAN = Plan("table1", "A tiny table", (TINY,), picture=True)


def _log(job, out, scores):
    folder = out / job.folder
    folder.mkdir(parents=True)
    rows = [{"iteration": i, "samples": n, "time_s": n / 100, "eval/return": y} for i, (n, y) in enumerate(scores)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_every_variant_of_every_plan_has_settings_that_its_preset_knows():
    assert tuple(PLANS) == NAMES
    variants = {(job.task, job.variant) for plan in PLANS.values() for job in plan.jobs()}
    for task, variant in variants:
        preset = load_preset(variant.preset or CLIP_PRESETS.get(task, "gym"), variant.settings)
        assert preset.algorithm(variant.algorithm).name == variant.algorithm
    folders = [job.folder for job in {job for plan in PLANS.values() for job in plan.jobs()}]
    longest = max(len(folder) for folder in folders)
    assert longest < 100 and not any("/" in folder for folder in folders)


def test_a_killed_table_goes_on_where_it_was_and_a_finished_one_trains_nothing(tmp_path):
    said = []
    assert not run_missing(PLAN.jobs(), tmp_path, 1e-9, said.append, threads=1)
    shorter = PLAN.scaled(samples=32).jobs()[0]
    assert run_missing([shorter], tmp_path, None, said.append, threads=1)
    assert PLAN.jobs()[0].result(tmp_path) is None and PLAN.jobs()[0].progress(tmp_path)[0] == 32
    assert run_missing(PLAN.jobs(), tmp_path, None, said.append, threads=1)
    assert [job.progress(tmp_path)[0] for job in PLAN.jobs()] == [64, 64]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run_missing(PLAN.jobs(), tmp_path, None, said.append, threads=1)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (cell,) = run_cells(PLAN, tmp_path)
    assert (cell.seeds, cell.samples, cell.source) == (2, 64, "run")
    assert draw(PLAN, tmp_path, tmp_path / "tiny.png") and (tmp_path / "tiny.png").stat().st_size > 10_000


def test_a_run_of_other_settings_is_left_alone_and_said(tmp_path):
    said = []
    job = PLAN.jobs()[0]
    assert run_missing([PLAN.scaled(samples=32).jobs()[0]], tmp_path, None, said.append, threads=1)
    path = tmp_path / job.folder / "config.json"
    path.write_text(path.read_text().replace('"gamma": 0.99', '"gamma": 0.98'))
    assert not run_missing([job], tmp_path, None, said.append, threads=1)
    assert "began with other settings than today's" in said[-1] and job.progress(tmp_path)[0] == 32


def test_a_run_that_this_machine_cannot_do_is_left_out_and_said(tmp_path):
    said = []
    jobs = [Job("NoSuch-v0", Variant("AWR", "awr"), 64, 0), *PLAN.scaled(samples=32).jobs()[:1]]
    assert not run_missing(jobs, tmp_path, None, said.append, threads=1)
    assert any(line.startswith("left out: no task 'NoSuch-v0'") for line in said)
    assert jobs[1].result(tmp_path) is not None


def test_a_cell_is_the_first_evaluation_at_its_samples_over_seeds(tmp_path):
    panel = Panel("Hopper-v5", (Variant("AWR", "awr"),), 1000, 3)
    for job, score in zip(panel.jobs(), (10.0, 20.0), strict=False):
        _log(job, tmp_path, [(0, 1.0), (500, 5.0), (1008, score), (2000, 99.0)])
    plan = Plan("table1", "", (panel,), picture=False)
    (cell,) = run_cells(plan, tmp_path)
    assert (cell.mean, cell.std, cell.seeds) == (15.0, stdev([10.0, 20.0]), 2)
    assert run_cells(plan.scaled(seeds=1), tmp_path)[0].std is None


def test_the_cost_follows_the_speed_of_a_run_that_has_begun(tmp_path):
    job = Job("Hopper-v5", Variant("AWR", "awr"), 1000, 0)
    assert hours([job], tmp_path) == pytest.approx(6.0 / 60.0 * 1000 / 1e6)
    _log(job, tmp_path, [(0, 1.0), (500, 5.0)])
    assert hours([job], tmp_path) == pytest.approx(500 / 100 / 3600)


@pytest.mark.parametrize("name", NAMES)
def test_quoted_cells_name_their_source(name):
    for cell in quoted_cells(name):
        assert cell.origin and cell.source == "quoted" and abs(cell.mean) < 20_000


def test_the_command_prints_and_writes_the_cells_without_training(tmp_path, capsys):
    report = tmp_path / "cells.json"
    words = ["paper", "table2", "--hours", "0", "--out", str(tmp_path / "runs"), "--json", str(report)]
    assert main(words) == 0
    found = json.loads(report.read_text())
    quoted = next(cell for cell in found["cells"] if (cell["task"], cell["algorithm"]) == ("cartwheel", "AWR"))
    assert quoted["mean"] == 0.78 and quoted["source"] == "quoted" and not found["complete"]
    said = capsys.readouterr().out
    assert "table2: 15 runs in" in said and "about" in said and "0.780 ± 0.070 (?)" in said
    assert main(["paper", "figure4", "--tasks", "Hoper-v5"]) == 2
    assert "--tasks: figure4 has no 'Hoper-v5'; did you mean 'Hopper-v5'" in capsys.readouterr().err
