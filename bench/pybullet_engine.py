"""Measures the speed of pybullet's own DeepMimic environment. Run as a program, it prints JSON on its last line.

The humanoid walks with that package's settings (30 Hz control, physics at 1/240 s), stepped as in its training script.
The package's ``__init__`` needs the old ``gym``, so this module imports the environment without it.
"""

import importlib.util
import json
import subprocess
import sys
import time
import types
from typing import Any

from mimic.core.errors import InputError

_STEP = 1 / 240


def measure(seconds: float) -> float:
    """Return the control steps per second, measured in a separate process for about ``seconds``.

    Raises InputError if the environment does not run.
    """
    command = [sys.executable, "-m", "bench.pybullet_engine", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 + 4 * seconds, check=False)
    if done.returncode != 0:
        raise InputError(f"pybullet's DeepMimic environment does not run here: {done.stderr.strip()[-200:]}")
    return float(json.loads(done.stdout.strip().splitlines()[-1])["control_steps_per_s"])


def _make_env() -> Any:
    spec = importlib.util.find_spec("pybullet_envs")
    if spec is None or spec.submodule_search_locations is None:
        raise InputError("pybullet is not installed: pip install pybullet (CPython 3.11)")
    package = types.ModuleType("pybullet_envs")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["pybullet_envs"] = package
    import pybullet_data
    from pybullet_envs.deep_mimic.env.pybullet_deep_mimic_env import PyBulletDeepMimicEnv
    from pybullet_utils.arg_parser import ArgParser

    arguments = ArgParser()
    arguments.load_file(pybullet_data.getDataPath() + "/args/run_humanoid3d_walk_args.txt")
    return PyBulletDeepMimicEnv(arguments, False)


def main(seconds: float) -> None:
    """Step the environment for about ``seconds`` with its zero action and print the rate."""
    import numpy as np

    env = _make_env()
    env.reset()
    action = -np.array(env.build_action_offset(0))
    steps, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        if env.need_new_action(0):
            env.record_state(0)
            env.calc_reward(0)
            env.set_action(0, action)
            steps += 1
        env.update(_STEP)
        if env.is_episode_end():
            env.reset()
    print(json.dumps({"control_steps_per_s": steps / passed}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
