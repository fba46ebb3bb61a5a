"""Commands about this machine: its speed and its equipment."""

from pathlib import Path

from characters import character_names
from mimic.cli.arguments import CommandGroup, Commands, Parser, add_engine, add_threads, diagram, positive, seed, whole
from mimic.rl.algorithms import ALGORITHMS


def add(commands: Commands) -> None:
    """Add ``bench``, ``doctor`` and ``completion``."""
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

    switch = family.add("switch", "measure how often a controller survives a switch from one clip to another")
    switch.add_argument("--controller", required=True, metavar="PATH|NAME")
    switch.add_argument(
        "--clips", nargs="+", default=[], metavar="CLIP", help="default: twelve of the humanoid, else all"
    )
    switch.add_argument("--runs", type=whole, default=32, help="runs of each pair, at random phases (default 32)")
    switch.add_argument("--seed", type=seed, default=0, help="seed of the phases (default 0)")
    switch.add_argument("--picture", type=diagram, metavar="OUT.png", help="draw the table of all pairs")
    switch.add_argument("--json", type=Path, metavar="OUT", help="also write the result to a file")
    add_threads(switch)

    recover = family.add("recover", "measure how often a controller gets up from lying poses and after pushes")
    recover.add_argument("--controller", default="humanoid", metavar="PATH|NAME", help="default humanoid")
    recover.add_argument("--poses", type=whole, default=200, help="lying poses (default 200)")
    recover.add_argument("--seed", type=seed, default=0, help="seed of poses and pushes (default 0)")
    recover.add_argument("--json", type=Path, metavar="OUT", help="also write the result to a file")
    add_threads(recover)

    ground = family.add("ground", "measure how often a controller walks on bumps and slopes without a fall")
    ground.add_argument("--controller", default="humanoid", metavar="PATH|NAME", help="default humanoid")
    ground.add_argument("--clips", nargs="+", default=[], metavar="CLIP", help="default: its walk and its trot")
    ground.add_argument("--runs", type=whole, default=16, help="runs of each ground and clip (default 16)")
    ground.add_argument("--seconds", type=positive, default=60.0, help="length of a run (default 60)")
    ground.add_argument("--friction", type=positive, default=1.0, help="factor on all friction (default 1)")
    ground.add_argument("--mass", type=positive, default=1.0, help="factor on all masses (default 1)")
    ground.add_argument("--seed", type=seed, default=0, help="seed of phases and bumps (default 0)")
    ground.add_argument("--json", type=Path, metavar="OUT", help="also write the result to a file")
    add_threads(ground)

    doctor = commands.add("doctor", "check what this machine has and what it lacks")
    doctor.add_argument("--json", action="store_true")

    completion = commands.add("completion", "print a script by which the shell completes commands and options")
    completion.add_argument("shell", choices=("bash", "zsh"))


def _bench(family: CommandGroup, name: str, help_text: str) -> Parser:
    bench = family.add(name, help_text)
    bench.add_argument("--character", choices=character_names(), default="humanoid", help="default humanoid")
    bench.add_argument("--json", type=Path, metavar="OUT", help="also write the result to a file")
    return bench
