"""Commands that make a controller from a clip, and commands about training runs."""

from pathlib import Path

from mimic.cli.arguments import (
    Commands,
    add_run_options,
    add_task_or_clip,
    add_threads,
    address,
    diagram,
    index,
    number,
    positive,
    seed,
    whole,
    words,
)
from mimic.cli.retarget_options import add_retarget_options, add_take
from mimic.paper import NAMES


def add(commands: Commands) -> None:
    """Add ``run``, ``train``, ``actor``, ``collect``, ``distill``, ``diagnose``, ``curves``, ``pack`` and ``paper``."""
    _add_run(commands)
    _add_train(commands)
    _add_actor(commands)
    _add_distill(commands)
    _add_collect(commands)
    _add_diagnose(commands)
    _add_curves(commands)
    _add_pack(commands)
    _add_paper(commands)


def _add_run(commands: Commands) -> None:
    job = commands.add("run", "controller, evaluation and video of one clip (the default command)")
    add_run_options(job)
    add_retarget_options(job)
    job.add_argument(
        "--minutes", type=positive, default=10.0, help="training time, if there is no controller yet (default 10)"
    )
    job.add_argument("--seconds", type=positive, default=10.0, help="length of the video (default 10)")
    job.add_argument("--out", type=Path, help="folder of all output (default out/CLIP)")


def _add_train(commands: Commands) -> None:
    train = commands.add("train", "train a controller, or continue its training")
    add_run_options(train, tasks=True)
    add_retarget_options(train)
    train.add_argument(
        "--minutes",
        type=positive,
        default=0.0,
        help="stop after so many more minutes (default: at --samples, else at Ctrl-C)",
    )
    train.add_argument("--samples", type=whole, default=0, help="stop at so many samples in all")
    train.add_argument("--from", dest="initial", metavar="PATH|NAME", help="start from the policy of this controller")
    train.add_argument(
        "--data", nargs="+", type=Path, default=[], metavar="FILE", help="recorded episodes, which `collect` wrote"
    )
    train.add_argument(
        "--resume", action="store_true", help="continue the run in --out, or the latest run of the clip or task"
    )
    train.add_argument("--out", type=Path, help="run folder (default runs/CLIP-ALGORITHM or runs/ID-ALGORITHM)")
    train.add_argument(
        "--actors", type=whole, metavar="N", help="processes that simulate, beside this one that learns (default: none)"
    )
    train.add_argument(
        "--listen", type=address, metavar="HOST:PORT", help="of --actors: wait here for actors of other machines"
    )
    train.add_argument(
        "--each", action="store_true", help="train a controller for each clip of --clip A,B,...; --out is their folder"
    )
    train.add_argument("--jobs", type=whole, metavar="N", help="of --each: trainings at a time (default 1)")
    train.add_argument("--job", type=index, metavar="K", help="of --each: only clip K, from 0, as a job of a cluster")


def _add_actor(commands: Commands) -> None:
    actor = commands.add("actor", "simulate for a training on another machine (train --actors --listen)")
    actor.add_argument("learner", type=address, metavar="HOST:PORT", help="where the training listens")
    add_threads(actor)


def _add_distill(commands: Commands) -> None:
    distill = commands.add("distill", "teach one controller the clips of many others, which stay as they are")
    distill.add_argument(
        "--from",
        dest="teachers",
        metavar="A,B,...|all",
        help="the teachers: controllers of one clip each. With a library, such as humanoid, it learns their clips besides "
        "its own. C=a+b teaches these clips only, instead of the teachers before it",
    )
    distill.add_argument("--character", help="character whose controllers `all` means (default humanoid)")
    distill.add_argument("--minutes", type=positive, help="training time, by which the work is chosen (default 20)")
    distill.add_argument("--samples", type=whole, default=0, help="the work, in place of --minutes")
    distill.add_argument("--resume", action="store_true", help="continue the distillation in --out")
    distill.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder")
    distill.add_argument("--seed", type=seed, help="default 0")
    add_threads(distill)


def _add_collect(commands: Commands) -> None:
    collect = commands.add("collect", "record a controller's episodes in a file, for train --data")
    add_task_or_clip(collect, "the clip of the controller")
    add_take(collect)
    collect.add_argument("--controller", required=True, metavar="PATH|NAME")
    collect.add_argument("--transitions", type=whole, default=100_000, help="at least so many (default 100000)")
    collect.add_argument("--std", type=number, help="of exploration, 0 for none (default: as it was trained)")
    collect.add_argument("--seed", type=seed, help="default 0")
    collect.add_argument("--out", type=Path, required=True, metavar="OUT.npz")
    add_threads(collect)


def _add_diagnose(commands: Commands) -> None:
    diagnose = commands.add("diagnose", "say why a run does not learn: where it falls, likely causes, remedies")
    diagnose.add_argument("run", type=Path, metavar="RUN", help="the folder of a training run")
    diagnose.add_argument(
        "--episodes", type=whole, default=64, help="number of episodes that try the newest policy (default 64)"
    )
    diagnose.add_argument("--json", type=Path, metavar="OUT")
    add_threads(diagnose)


def _add_curves(commands: Commands) -> None:
    curves = commands.add("curves", "draw the learning curves of several runs and print a table")
    curves.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    curves.add_argument("--out", type=diagram, default=Path("curves.png"), metavar="OUT.png")
    curves.add_argument(
        "--reach", type=positive, metavar="RETURN", help="also print when each run first reached this return"
    )


def _add_pack(commands: Commands) -> None:
    pack = commands.add("pack", "write a run's best checkpoint as a small, evaluated controller folder")
    pack.add_argument("run", type=Path, metavar="RUN")
    pack.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    pack.add_argument(
        "--episodes", type=whole, default=32, help="number of episodes, each with a random start (default 32)"
    )
    add_threads(pack)


def _add_paper(commands: Commands) -> None:
    paper = commands.add("paper", "run and show a table or figure of the lecture, beside published figures")
    paper.add_argument("what", choices=NAMES, metavar="WHAT", help=", ".join(NAMES))
    paper.add_argument(
        "--hours", type=number, help="stop after so long, 0 to train nothing (default: when all is done)"
    )
    paper.add_argument("--seeds", type=whole, help="seeds of a cell (default: as planned, 1 to 3)")
    paper.add_argument("--samples", type=whole, help="samples of a run (default: as planned, 100k to 1.1M)")
    paper.add_argument(
        "--tasks", type=words, default=(), metavar="A,B", help="only these tasks or clips (default: all)"
    )
    paper.add_argument(
        "--out", type=Path, default=Path("runs") / "paper", help="folder of the runs (default runs/paper)"
    )
    paper.add_argument("--json", type=Path, metavar="OUT")
    add_threads(paper)
