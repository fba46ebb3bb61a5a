"""Commands about this machine: its speed and its equipment."""

from pathlib import Path

from characters import character_names
from mimic.cli.arguments import CommandGroup, Commands, Parser, add_engine, add_threads, whole
from mimic.rl.algorithms import ALGORITHMS


def add(commands: Commands) -> None:
    """Add ``bench`` and ``doctor``."""
    family = commands.add_group("bench", "WHAT", "measure speed")
    sim = _bench(family, "sim", "measure the environment and the simulator alone")
    sim.add_argument("--num-envs", type=whole, default=4096, help="environments side by side (default 4096)")
    sim.add_argument("--preset", default="fast", help="default fast")
    sim.add_argument("--pybullet", action="store_true", help="measure pybullet's DeepMimic environment too")
    add_engine(sim)
    add_threads(sim)

    train = _bench(family, "train", "measure training and the shares of its time")
    train.add_argument("--num-envs", type=whole, help="environments side by side (default: the preset's)")
    train.add_argument("--preset", help="default fast, or gpu with an engine on a GPU")
    train.add_argument("--algorithm", choices=ALGORITHMS.names(), default="awr", help="default awr")
    add_engine(train)
    add_threads(train)

    retarget = _bench(family, "retarget", "measure retargeting and mink")
    retarget.add_argument(
        "--clip",
        type=Path,
        metavar="FILE",
        help="the clip to retarget (default: an installed clip on a larger skeleton)",
    )

    doctor = commands.add("doctor", "check what this machine has and what it lacks")
    doctor.add_argument("--json", action="store_true")


def _bench(family: CommandGroup, name: str, help_text: str) -> Parser:
    bench = family.add(name, help_text)
    bench.add_argument("--character", choices=character_names(), default="humanoid", help="default humanoid")
    bench.add_argument("--json", type=Path, metavar="OUT", help="also write the result to a file")
    return bench
