"""Bundles for tests: of the controller that ships, and of untrained policies on clips made up here."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from characters import load_character
from mimic.core import checkpoint
from mimic.exporting.bundle import bundle_files
from mimic.rl.policy import Policy, PolicyConfig
from mimic.runs.controller import Controller, load_controller
from mimic.runs.controller_spec import ControllerSpec
from mimic.tracking import EnvConfig
from mocap.catalogue import load_clips
from mocap.formats.deepmimic import write_deepmimic
from tests.kinematic_engine import config, gentle_motion
from tests.motion_samples import clip_or_skip


def untrained(
    folder: Path, character: str, env_config: EnvConfig | None = None, name: str = "gentle", **motion: object
) -> Controller:
    """A controller of random weights for a gentle clip of ``character``, saved and loaded like any other.

    ``name`` is the clip's: some names have rules of their own (mimic/tracking/clip_rules.yaml).
    """
    env_config = env_config or config()
    moves = gentle_motion(character, **motion)  # type: ignore[arg-type]
    clip = folder / f"{name}.txt"
    clip.write_bytes(write_deepmimic(moves, load_character(character)))
    spec = ControllerSpec(str(clip), character, env_config)
    sizes = Controller(folder, _policy(1, 1), spec)
    env = _unchecked_env(sizes)
    policy = _policy(env.obs_dim, env.act_dim)
    obs = torch.randn(64, env.obs_dim, generator=torch.Generator().manual_seed(5))
    policy.normalizer.update(obs * torch.linspace(0.1, 3.0, env.obs_dim))
    spec = replace(spec, policy=policy.describe())
    checkpoint.write_controller(folder / "controller", policy.state_dict(), spec.to_json())
    return load_controller(str(folder / "controller"))


def _policy(obs_dim: int, act_dim: int) -> Policy:
    settings = PolicyConfig(actor_sizes=(16, 8), output_scale=0.1)
    return Policy(obs_dim, act_dim, settings, torch.Generator().manual_seed(1))


def _unchecked_env(controller: Controller):  # type: ignore[no-untyped-def]
    from mimic.tracking import make_env

    return make_env(load_clips(controller.clip), controller.env_config, 1, training=False, threads=1)


@cache
def cartwheel() -> dict[str, bytes]:
    """The files of the bundle of the cartwheel that ships, or a skipped test."""
    clip_or_skip("cartwheel")
    return bundle_files(load_controller("cartwheel"))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """The files in a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def part(files: dict[str, bytes], name: str) -> dict:  # type: ignore[type-arg]
    """One JSON file of a bundle."""
    return json.loads(files[name])


def rows(files: dict[str, bytes]) -> list[dict]:  # type: ignore[type-arg]
    """All test vectors: the states, then the rollout."""
    vectors = part(files, "testvectors.json")
    return [*vectors["states"], *vectors["rollout"]["rows"]]


def float32_row(values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).reshape(1, -1)


NAMES = (
    *("policy.onnx", "controller.onnx", "weights.json", "weights.bin", "reference.json", "reference.bin"),
    *("skeleton.json", "control.json", "observation.json", "conventions.json", "testvectors.json"),
    *("character.xml", "character.urdf", "character.glb", "README.md", "players/play.py"),
)
