import dataclasses

import pytest

from mimic.cli.common import default_preset
from mimic.core.errors import ConfigError
from mimic.core.strict_config import to_dict
from mimic.runs.preset import _PRESETS, load_preset, preset_names


def test_the_presets_that_ship():
    assert preset_names() == ["fast", "feet", "gpu", "graph", "gym", "library", "paper"]
    for name in ("fast", "feet", "gpu", "paper"):
        preset = load_preset(name)
        assert set(preset.algorithms) == {"awr", "ppo"}
        awr, rwr = preset.algorithm("awr"), preset.algorithm("rwr")
        assert rwr.rollout == awr.rollout and to_dict(rwr.update) == to_dict(awr.update)
        assert sum(term.weight for term in preset.env.reward.terms.values()) == pytest.approx(1.0)
        assert preset.env.evaluation_s == 20.0


def test_the_paper_preset_has_the_authors_numbers():
    preset = load_preset("paper")
    settings = preset.algorithm("awr")
    update, rollout = settings.update, settings.rollout
    assert (update.gamma, update.td_lambda, update.temperature, update.weight_clip) == (0.95, 0.95, 1.0, 50.0)
    assert (update.actor_lr, update.critic_lr, update.momentum, update.optimizer) == (1.5e-6, 1e-2, 0.9, "sgd")
    assert (update.actor_steps, update.critic_steps, update.actor_batch, update.critic_batch) == (200, 100, 256, 256)
    assert (preset.policy.actor_sizes, preset.policy.critic_sizes) == ((1024, 512), (1024, 512))
    assert rollout.std_start == rollout.std_end == 0.05
    assert preset.num_envs * rollout.steps == 4096
    assert preset.num_envs * rollout.steps * rollout.replay_iterations == pytest.approx(50_000, rel=0.02)
    terms = {name: (term.weight, term.scale) for name, term in preset.env.reward.terms.items()}
    assert terms == {
        "pose": (0.5, 2.0),
        "velocity": (0.05, 0.1),
        "end_effector": (0.15, 10.0),
        "root": (0.2, 5.0),
        "com": (0.1, 10.0),
    }
    assert (preset.env.termination.root_tilt, preset.env.termination.body_distance) == (None, None)


def test_gpu_learns_the_same_task_with_the_same_update_but_for_sizes():
    gpu, fast = load_preset("gpu"), load_preset("fast")
    assert (gpu.env, gpu.policy, gpu.num_envs) == (fast.env, fast.policy, 8192)
    for ours, theirs in (
        (gpu.algorithm("awr").update, fast.algorithm("awr").update),
        (gpu.algorithm("ppo").update, fast.algorithm("ppo").update),
    ):
        sizes = {"actor_batch": theirs.actor_batch, "critic_batch": theirs.critic_batch}
        assert dataclasses.replace(ours, **sizes) == theirs and ours.actor_batch == ours.critic_batch == 16384
    assert default_preset("warp", "cuda") == "gpu"
    assert (
        default_preset("warp", "cpu") == default_preset("mujoco", "cuda") == default_preset("mujoco", "cpu") == "fast"
    )


def test_a_preset_on_a_base_differs_in_what_it_says(tmp_path):
    feet, fast = load_preset("feet"), load_preset("fast")
    assert feet.env.training_reward is not None and "foot_height" in feet.env.training_reward.terms
    assert dataclasses.replace(feet, env=dataclasses.replace(feet.env, training_reward=None)) == fast
    mine, yours = tmp_path / "mine.yaml", tmp_path / "yours.yaml"
    mine.write_text("base: fast\nnum_envs: 9\nawr: {update: {temperature: 3.0}}\n")
    yours.write_text(f"base: {mine}\nnum_envs: 7\n")
    assert load_preset(str(yours)).num_envs == 7 and load_preset(str(mine)).num_envs == 9
    assert load_preset(str(yours)).algorithm("awr").update == dataclasses.replace(
        fast.algorithm("awr").update, temperature=3.0
    )
    beside = tmp_path / "beside.yaml"
    beside.write_text("base: mine.yaml\nenv:\n")
    assert load_preset(str(beside)) == load_preset(str(mine)), "a base lies beside the file that names it"
    for text, message in (
        ("base: mine.yaml", "mine.yaml: the preset is its own base"),
        ("base: fats", "mine.yaml: base: no preset 'fats'; did you mean 'fast'"),
        ("base: no.yaml", "mine.yaml: base: there is no file '.*no.yaml'"),
        ("base: 3", "'base' must be the name of a preset"),
        ("base: fast\nnum_env: 3", "mine.yaml on fast.yaml: unknown key 'num_env'; did you mean 'num_envs'"),
        ("env: {evaluation_s: 3}", "a file that holds only differences begins with base: fast"),
    ):
        mine.write_text(text + "\n")
        with pytest.raises(ConfigError, match=message):
            load_preset(str(mine))


def test_settings_change_one_value_each():
    preset = load_preset("fast", ("num_envs=8", " awr.update.temperature = 5e-1", "env.reward.terms.pose.weight=0.6"))
    assert (preset.num_envs, preset.algorithm("awr").update.temperature) == (8, 0.5)
    assert preset.env.reward.terms["pose"].weight == 0.6
    assert load_preset("fast").num_envs != 8, "what ships is not touched"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "fats",
            (),
            r"no preset 'fats'; did you mean 'fast' or 'feet'\? valid: fast, feet, gpu, graph, gym, library, paper",
        ),
        (
            "mine.yaml",
            (),
            "there is no file 'mine.yaml'; presets that ship: fast, feet, gpu, graph, gym, library, paper",
        ),
        ("fast", ("env.pushes.speed=",), "write key=value"),
        ("fast", ("env.pushes.speed=11",), "from 0 .no pushes. to 10 m/s"),
        ("fast", ("num_envs",), "write key=value"),
        ("fast", ("num_env=8",), "did you mean 'num_envs'"),
        ("fast", ("num_envs=0",), "num_envs must be from 1"),
        ("fast", ("num_envs=8.5",), "expected a whole number"),
        ("fast", ("awr.update.temprature=1",), "did you mean 'temperature'"),
        ("fast", ("env.reward.terms.poze.weight=1",), "did you mean 'pose'"),
        ("fast", ("env.action.mode=relative",), "'relative' is not valid"),
        ("fast", ("awr.rollout.steps=0",), "must be at least 1"),
        ("fast", ("env.reward.terms.pose.scale=-2",), "a scale must be above 0"),
        ("fast", ("env.reward.terms.pose.weight=-0.1",), "a weight must not be negative"),
        ("fast", ("env.termination.body_distance=0",), "must be above 0, or null"),
        ("fast", ("env.termination.root_tilt=-1",), "must be above 0, or null"),
        ("fast", ("env.time_limit.start_s=-1",), "start_s, end_s and ramp_samples must be above 0"),
        ("fast", ("env.action.lead_s=-3",), "lead_s must be 0 or above"),
        ("fast", ("env.action.bound=0",), "scales and bounds must be above 0"),
        ("fast", ("env.observation.target_steps=[]",), "one or more numbers of control steps"),
        ("fast", ("env.observation.target_steps=[-1]",), "one or more numbers of control steps"),
        ("fast", ("env.evaluation_s=0",), "evaluation_s must be above 0"),
        ("fast", ("policy.output_scale=-1",), "output_scale -1 not below"),
    ],
)
def test_a_mistake_names_what_would_have_worked(name, settings, message):
    with pytest.raises(ConfigError, match=message):
        load_preset(name, settings)


def test_a_preset_of_the_users_own_is_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(_PRESETS.joinpath("fast.yaml").read_text().replace("num_envs: 512", "num_envs: 7"))
    assert load_preset(str(path)).num_envs == 7


def test_an_algorithm_by_another_name_is_refused():
    with pytest.raises(ConfigError, match="no algorithm 'a2c'"):
        load_preset("fast").algorithm("a2c")
