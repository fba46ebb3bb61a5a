"""The machine: what it can do, and how fast."""

from pathlib import Path

from characters import character_names
from mimic.cli.arguments import CommandGroup, Commands, Parser, add_engine, add_threads, whole
from mimic.rl.algorithms import ALGORITHMS


def add(commands: Commands) -> None:
    """``bench``, ``doctor``."""
    family = commands.add_group("bench", "WHAT", "measure speed")
    sim = _bench(family, "sim", "the environment, beside the simulator alone")
    sim.add_argument("--num-envs", type=whole, default=4096, help="environments side by side (default 4096)")
    sim.add_argument("--preset", default="fast", help="default fast")
    sim.add_argument("--pybullet", action="store_true", help="time pybullet's DeepMimic environment beside it")
    add_engine(sim)
    add_threads(sim)

    train = _bench(family, "train", "training, and where its time goes")
    train.add_argument("--num-envs", type=whole, help="environments side by side (default: the preset's)")
    train.add_argument("--preset", help="default fast; on a GPU's engine gpu")
    train.add_argument("--algorithm", choices=ALGORITHMS.names(), default="awr", help="default awr")
    add_engine(train)
    add_threads(train)

    retarget = _bench(family, "retarget", "retargeting, beside mink")
    retarget.add_argument(
        "--clip", type=Path, metavar="FILE", help="what to retarget (default: a clip at hand, enlarged)"
    )

    doctor = commands.add("doctor", "what this machine can do, and what would help")
    doctor.add_argument("--json", action="store_true")


def _bench(family: CommandGroup, name: str, help_text: str) -> Parser:
    bench = family.add(name, help_text)
    bench.add_argument("--character", choices=character_names(), default="humanoid", help="default humanoid")
    bench.add_argument("--json", type=Path, metavar="OUT", help="a file for what is printed")
    return bench
