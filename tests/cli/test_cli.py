"""The command line: called in this process, for a process of its own takes seconds to start; one test starts one."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import run_mimic
from mimic.cli.common import overridden_options
from mimic.cli.main import all_commands
from mimic.sim import ENGINES
from mocap.catalogue import load_clip
from tests.motion_samples import clip_or_skip

ROOT = Path(run_mimic.__file__).parent
TINY = ("--num-envs", "8", "--threads", "1", "--set", "awr.rollout.steps=8", "--set", "policy.actor_sizes=[8]")
TINY += ("--set", "policy.critic_sizes=[8]", "--set", "trainer.evaluate_every=0", "--set", "trainer.tensorboard=false")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A working folder without runs, with some broken files."""
    monkeypatch.chdir(tmp_path)
    Path("broken.txt").write_text('{"Loop": "wrap", "Frames": [[1, 2]]}')
    Path("broken.yaml").write_text("num_envs: [")
    Path("broken.npz").write_bytes(b"PK")
    for folder in ("empty", "bundle", "lost/ckpt", "damaged"):
        Path(folder).mkdir(parents=True)
    Path("bundle/manifest.json").write_text("{}")
    Path("damaged/MANIFEST.json").write_text("{")
    Path("damaged/config.json").write_text("{")


def call(capsys, *words: object) -> tuple[int, str, str]:
    code = run_mimic.main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--clip cartwel", "no clip 'cartwel'; did you mean 'cartwheel'"),
        ("train --clip wlak", "did you mean 'walk'"),
        ("play-clip --clip wak --out x.mp4", "did you mean 'walk'"),
        ("trian --clip walk", "no command 'trian'; did you mean 'train'"),
        ("--clips walk", "unknown option '--clips'; did you mean '--clip'"),
        ("train --clip walk --minuts 3", "unknown option '--minuts'; did you mean '--minutes'"),
        ("clips --jsn", "did you mean '--json'"),
        ("train", "one of the arguments --clip --task is required"),
        ("train --clip walk --minutes soon", "--minutes: 'soon' must be a number above 0"),
        ("train --clip walk --minutes -1", "'-1' must be a number above 0"),
        ("evaluate --controller walk --seconds 0.01", "shorter than a control step; evaluate at least 0.033 s"),
        ("train --clip walk --samples inf", "'inf' must be a whole number above 0"),
        ("train --clip walk --samples nan", "'nan' must be a whole number"),
        ("train --clip walk --samples 0.5", "'0.5' must be a whole number above 0"),
        ("train --clip walk --num-envs 1e12", "num_envs must be from 1 to 1,000,000"),
        ("train --clip walk --seed 99999999999999999999", "must be a whole number between"),
        ("train --clip walk --threads -1", "must be a number of threads"),
        ("train --clip walk --algorithm apo", "invalid choice: 'apo' (choose from 'awr'"),
        ("bench sim --device cuda", "the mujoco engine runs on the CPU only; add --engine warp, or use --device cpu"),
        ("evaluate --controller trot-authored --engine bullet --device cuda", "the bullet engine runs on the CPU only"),
        ("bench sim --engine physx", "choose from 'bullet', 'mujoco', 'warp'"),
        ("train --clip walk --preset fats", "did you mean 'fast'"),
        ("train --clip trot-authored --preset broken.yaml", "broken.yaml: line 1: not valid YAML"),
        ("train --clip walk --set awr.update.temprature=1", "did you mean 'temperature'"),
        ("train --clip walk --set temperature", "write key=value"),
        ("train --clip walk --set num_envs=many", "expected a whole number, found 'many'"),
        ("train --clip walk --set env.reward.terms.pose.weight=1 --num-envs 2", "must sum to 1"),
        ("train --clip broken.txt", "broken: "),
        ("--clip none.txt", "none.txt: no such file"),
        ("--clip walk.bvhh", "no reader for '.bvhh' files; did you mean '.bvh'"),
        ("--clip empty/", "is a folder; name a file in it"),
        ("inspect wlak", "wlak: no such clip, and no motion file without a suffix"),
        ("retarget broken.txt --character humanoid --out broken.txt", "is written as .npz; use --out broken.npz"),
        (
            "retarget broken.npz --character humanoid --out ./broken.npz",
            "is the input file, which would be overwritten",
        ),
        ("train --clip walk --set ppo.update.gamma=0.9", "this run learns by awr, whose settings are awr.*"),
        ("--clip walk --algorithm ppo --set awr.update.gamma=0.9", "add --algorithm awr"),
        (
            "train --clip walk --resume --out empty",
            "empty: is not the folder of a run; `train` without --resume begins one",
        ),
        ("evaluate --controller empty", "empty: not a controller; a controller is a run"),
        ("evaluate --controller bundle", "bundle: not a controller; it is a bundle for game engines"),
        ("evaluate --controller lost/ckpt", "not a controller; it holds the checkpoints of a run; name the run, lost"),
        ("evaluate --controller nope", "no controller 'nope'"),
        ("evaluate --controller /nope/nope", "no controller '/nope/nope'"),
        ("render --controller nope --out x.mp4 --size 12", "'12' must be WIDTHxHEIGHT"),
        ("render --controller nope --out x.mp4 --size 961x540", "both sides must be even"),
        ("render --controller nope --out x", "'x' must end in .mp4"),
        ("export --clip walk --animation fbx --out x", "no animation format 'fbx'"),
        ("evaluate --controller walk --push 10,soon", "--push: '10,soon' must be up to 100 numbers"),
        ("evaluate --controller walk --push -5", "numbers from 0 to 10000"),
        ("evaluate --controller walk --push 1e9", "numbers from 0 to 10000"),
        ("evaluate --controller walk --footfalls x.png", "did you mean '--footfall'"),
        ("diagnose empty", "empty: not a run folder"),
        (
            "inspect walk --unit cm --up z",
            "a clip of the catalogue, whose unit and axes are known; remove --unit, --up",
        ),
        ("curves empty", "empty: no evaluations"),
        ("evaluate --controller walk --push 1,,2", "'1,,2' must be up to 100 numbers from 0 to 10000, as in 0,20,40"),
        ("bench sim --num-envs many", "'many' must be a whole number above 0"),
        ("train --clip walk --seed 1.5", "'1.5' must be a whole number between -2^31 and 2^31"),
        ("train --clip trot-authored --set env.pushes=1", "expected 'key: value' lines (speed, every_s), found 1"),
        ("evaluate --controller cartwheel --footfall feet.jpg", "'feet.jpg' must end in .png, .svg, .pdf"),
        ("curves runs --out curves.jpgg", "'curves.jpgg' must end in .png, .svg, .pdf"),
        ("bench retarget --algorithm ppo", "unknown option '--algorithm'; valid: --character, --clip"),
        ("bench train --device cuda", "torch finds no CUDA device here"),
        ("bench sim --clip x.bvh", "unknown option '--clip'"),
        ("bench sim --num-envs many --thraeds 2", "unknown option '--thraeds'; did you mean '--threads'"),
        ("bench", "the following arguments are required: WHAT"),
        ("export --out x", "one of the arguments --controller --clip is required"),
        ("export --controller walk --controller run --web x", "for --animation and --web several as walk,run"),
        ("bench sin", "choose from 'sim', 'train'"),
        ("bench sim --character cat", "choose from 'dog', 'humanoid'"),
    ],
)
def test_bad_input_is_one_line_that_names_what_would_have_worked_and_exit_code_2(capsys, words, part):
    if "broken" not in words and "--clip walk" in words:
        clip_or_skip("walk")
    code, out, err = call(capsys, *words.split())
    assert code == 2 and part in err
    assert err.count("\n") == 1 and err.startswith("run_mimic.py: ") and "Traceback" not in out + err


def test_damaged_controllers_and_runs_exit_with_code_6(capsys):
    for words in ("evaluate --controller damaged", "train --clip walk --resume --out damaged"):
        code, _, err = call(capsys, *words.split())
        assert code == 6 and err.count("\n") == 1 and "damaged" in err


def test_clips_are_listed(capsys):
    code, out, _ = call(capsys, "clips", "--json")
    clips = {clip["name"]: clip for clip in json.loads(out)}
    assert code == 0 and {"cartwheel", "walk", "canter", "turn"} <= set(clips)
    assert {"name", "character", "licence", "available", "where"} <= set(clips["walk"])
    code, out, _ = call(capsys, "clips")
    assert code == 0 and all(name in out for name in clips)
    assert clips["cartwheel"]["controller"] and not clips["trot-left-authored"]["controller"]


@pytest.mark.parametrize(
    ("words", "otherwise"),
    [
        ("--minutes 3 --seed 0", []),  # as `make demo` says it
        ("--algorithm awr --preset fast --engine mujoco --device cpu", []),
        ("--seed 1 --algorithm ppo", ["--seed", "--algorithm"]),
        ("--num-envs 512 --preset feet --set num_envs=3", ["--num-envs", "--preset", "--set"]),
    ],
)
def test_options_that_differ_from_the_defaults_are_found(words, otherwise):
    args = all_commands().parser.parse(["run", "--clip", "cartwheel", *words.split()])
    assert overridden_options(args) == otherwise


def test_help_names_every_command(capsys):
    code, out, _ = call(capsys)
    verbs = all_commands().names
    assert code == 0 and len(verbs) == len(set(verbs)) == 24
    assert all(re.search(f"^    {verb}\\s", out, re.M) for verb in verbs)
    for verb in verbs:
        with pytest.raises(SystemExit) as ended:
            run_mimic.main([verb, "--help"])
        assert ended.value.code == 0 and f"run_mimic.py {verb}" in capsys.readouterr().out


def test_a_run_is_trained_resumed_evaluated_and_found_by_name(capsys):
    clip_or_skip("walk")
    code, out, _ = call(capsys, "train", "--clip", "walk", "--samples", 128, *TINY)
    assert code == 0 and "stopped by samples" in out and "--resume --out runs/walk-awr" in out
    folder = Path("runs/walk-awr")
    assert {"ckpt", "metrics.jsonl", "config.json"} <= {path.name for path in folder.iterdir()}

    code, _, err = call(capsys, "train", "--clip", "walk", "--samples", 128, *TINY)
    assert code == 2 and "holds a run already; continue it with --resume" in err

    code, out, _ = call(capsys, "train", "--clip", "walk", "--samples", 256, "--threads", 1, "--resume")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert code == 0 and [row["samples"] for row in rows if row["samples"]] == [64, 128, 192, 256]
    code, _, err = call(capsys, "train", "--clip", "run", "--resume", "--out", folder)
    assert code == 2 and "this run is of 'walk', not of 'run'" in err
    others = ("set num_envs=9", "seed 5", "num-envs 9", "engine bullet", "device cuda", "preset paper", "from walk")
    for other in others:
        option, value = f"--{other}".split()
        code, _, err = call(capsys, "train", "--clip", "walk", "--resume", "--out", folder, option, value)
        assert code == 2 and f"keeps its settings: leave out {option}" in err
    code, _, err = call(capsys, "train", "--clip", "walk", "--resume", "--out", folder, "--algorithm", "ppo")
    assert code == 2 and "leave out --algorithm" in err
    same = ("--seed", 0, "--num-envs", 8, "--engine", "mujoco", "--algorithm", "awr", "--samples", 256)
    code, out, _ = call(capsys, "train", "--clip", "walk", "--resume", "--threads", 1, *same)
    assert code == 0 and "stopped by samples" in out

    for name in (folder, "walk-awr", sorted((folder / "ckpt").iterdir())[-1]):
        code, out, _ = call(
            capsys, "evaluate", "--controller", name, "--episodes", 2, "--threads", 1, "--json", "e/e.json"
        )
        assert code == 0 and "normalised return" in out and "e/e.json" in out
    report = json.loads(Path("e/e.json").read_text())
    assert (report["clip"], report["character"], report["episodes"]) == ("walk", "humanoid", 2)
    assert {"mean", "std"} == set(report["normalized_return"])
    assert {"survival", "success_rate", "mpjpe_m", "root_error_m", "reward_terms"} <= set(report)
    call(capsys, "evaluate", "--controller", "walk", "--episodes", 2, "--seed", 5, "--json", "e/other.json")
    other = json.loads(Path("e/other.json").read_text())
    assert other["seed"] == 5 and other["normalized_return"] != report["normalized_return"]

    words = ("--episodes", 2, "--threads", 1, "--seconds", 21, "--json", "e/all.json", "--footfall", "e/feet.png")
    code, out, _ = call(
        capsys, "evaluate", "--controller", "walk", *words, "--push", "0,900", "--push-plot", "e/push.png"
    )
    assert code == 0 and {"feet.png", "push.png"} <= {path.name for path in Path("e").iterdir()}
    for part in (
        "20 to 21 s",
        "foot skate",
        "at the limit",
        "right foot",
        "order of landing",
        "900 N·s",
        "half survive",
    ):
        assert part in out
    report = json.loads(Path("e/all.json").read_text())
    assert report["episode_s"] == 21.0 and report["push"]["impulse_Ns"] == [0.0, 900.0]
    assert {"largest_difference", "order", "feet"} <= set(report["footfall"])


def test_the_owner_of_a_clip_says_what_may_be_done_with_it(capsys):
    for said in ((), ("--licence", "CC0 1.0")):
        code, _, _ = call(capsys, "retarget", "trot-authored", "--character", "dog", "--out", "mine.npz", *said)
        assert code == 0
        assert load_clip("mine.npz").license == (said[1] if said else load_clip("trot-authored").license)


def test_the_bench_reports_rates_and_their_ratio(capsys, monkeypatch):
    clip_or_skip("walk")
    monkeypatch.setattr("bench.sim._SECONDS", 0.02)
    code, out, _ = call(capsys, "bench", "sim", "--num-envs", 4, "--threads", 1, "--json", "bench.json")
    report = json.loads(out)
    assert code == 0 and report == json.loads(Path("bench.json").read_text())
    assert {"env_steps_per_s", "raw_engine_steps_per_s", "ratio", "threads"} <= set(report)
    assert report["threads"] == 1 and report["ratio"] > 0.0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize(
    "words", ["train --clip cartwheel", "evaluate --controller cartwheel", "bench sim", "--clip cartwheel"]
)
def test_a_gpu_that_is_not_there_is_said_to_be_missing(capsys, words):
    clip_or_skip("cartwheel")
    code, _, err = call(capsys, *words.split(), "--engine", "warp", "--device", "cuda")
    assert code == 2 and "torch finds no CUDA device here; use --device cpu" in err and "Traceback" not in err


def test_the_gpu_engine_names_the_package_to_install_if_warp_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    monkeypatch.delitem(sys.modules, "mimic.sim.engines.warp", raising=False)
    monkeypatch.delitem(ENGINES._found, "warp", raising=False)
    code, _, err = call(capsys, "evaluate", "--controller", "trot-authored", "--engine", "warp")
    assert code == 2 and "pip install '.[gpu]'" in err and "Traceback" not in err


@pytest.mark.warp
def test_a_controller_trained_on_the_gpu_engine_is_evaluated_on_all_engines(capsys, monkeypatch):
    clip_or_skip("walk")
    pytest.importorskip("mujoco_warp", reason="the GPU engine is an extra: pip install '.[gpu]'")
    settings = [*TINY, "--set", "trainer.evaluate_every=64", "--set", "env.evaluation_s=0.2"]
    code, _, _ = call(capsys, "train", "--clip", "walk", "--samples", 128, "--engine", "warp", *settings)
    config = json.loads(Path("runs/walk-awr/config.json").read_text())
    rows = [json.loads(line) for line in Path("runs/walk-awr/metrics.jsonl").read_text().splitlines()]
    assert code == 0 and config["engine"] == {"type": "warp"} and any("eval/normalized_return" in row for row in rows)
    code, _, err = call(capsys, "train", "--clip", "walk", "--resume", "--engine", "bullet")
    assert code == 2 and "keeps its settings" in err
    returned = {}
    for engine in ("mujoco", "warp"):
        words = ("--episodes", 2, "--engine", engine, "--json", "e.json")
        assert call(capsys, "evaluate", "--controller", "runs/walk-awr", *words)[0] == 0
        report = json.loads(Path("e.json").read_text())
        assert report["engine"] == engine and report["controller"].startswith("runs/walk-awr/ckpt/")
        returned[engine] = report["normalized_return"]["mean"]
    assert returned["warp"] == pytest.approx(returned["mujoco"], abs=0.05)

    for name, value in (("_SECONDS", 0.01), ("_ROUNDS", 1), ("_CHUNK", 1)):
        monkeypatch.setattr(f"bench.sim.{name}", value)
    for engine in ("warp", "bullet"):
        code, out, _ = call(capsys, "bench", "sim", "--num-envs", 2, "--engine", engine)
        report = json.loads(out)
        assert code == 0 and report["engine"] == engine and report["ratio"] > 0.0
        assert ("overflows" in report) == (engine == "warp")


@pytest.mark.parametrize("algorithm", ["awr", "ppo"])
def test_the_bench_of_training_accounts_for_all_of_the_time(capsys, monkeypatch, algorithm):
    clip_or_skip("walk")
    for name in ("_WARM_UP", "_ITERATIONS", "_ROUNDS"):
        monkeypatch.setattr(f"bench.train.{name}", 2)
    code, out, _ = call(capsys, "bench", "train", "--num-envs", 4, "--threads", 1, "--algorithm", algorithm)
    report = json.loads(out)
    assert code == 0 and report["samples_per_s"] > 0 and report["times_plain"] > 0.0
    for way in ("as_preset", "plain"):
        shares = report[way]["shares"]
        beside = shares.pop("learn_beside", None)
        assert (beside is not None) == (way == "as_preset" and algorithm == "awr")
        assert list(shares) == ["simulate", "infer", "observe_reward", "learn", "rest"]
        assert sum(shares.values()) == pytest.approx(1.0, abs=0.003) and min(shares.values()) >= 0.0


def test_a_process_of_its_own_ends_with_the_code_and_without_a_traceback():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "run_mimic.py"), "--clip", "cartwel"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("run_mimic.py: no clip 'cartwel'") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["broken.txt/report.json", "empty"])
def test_a_report_that_cannot_be_written_is_known_before_the_work(capsys, monkeypatch, place):
    monkeypatch.setattr("mimic.cli.commands.evaluate.load_controller", lambda name: pytest.fail("the work began"))
    code, _, err = call(capsys, "evaluate", "--controller", "walk", "--json", place)
    assert code == 2 and f"{place}: " in err and "folder" in err


def test_the_controller_is_a_word_or_an_option_but_not_both(capsys):
    parser = all_commands().parser
    for command, rest in (("evaluate", []), ("render", ["--out", "x.mp4"])):
        assert parser.parse([command, "walk", *rest]).controller == "walk"
        assert parser.parse([command, "--controller", "walk", *rest]).controller == "walk"
    code, _, err = call(capsys, "evaluate", "walk", "--controller", "run")
    assert code == 2 and "not allowed with" in err
    assert call(capsys, "evaluate")[0] == 2


def test_the_package_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mimic", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("mimic", run_name="__main__")
    assert ended.value.code == 0 and capsys.readouterr().out.startswith("mimic ")
