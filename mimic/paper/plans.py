"""The tables and figures: for each panel a task, and the variants to compare on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mimic.paper.job import CLIP_PRESETS, Job, Variant

AWR, RWR = Variant("AWR", "awr"), Variant("RWR", "rwr")
PG, PPO = Variant("PG", "pg"), Variant("PPO", "ppo")
TRPO = Variant("TRPO", "trpo")
OFF_POLICY = (Variant("SAC", "sac"), Variant("TD3", "td3"), Variant("DDPG", "ddpg"))
TASKS = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5", "LunarLander-v3")
_ABLATED = ("Hopper-v5", "HalfCheetah-v5")
_SENSITIVE = ("Hopper-v5", "LunarLander-v3")
_UNCLIPPED = 1e9
_ITERATION = 1024  # samples of an iteration of the preset gym


@dataclass(frozen=True)
class Panel:
    """Variants on one task: a row of a table, or a diagram of a figure."""

    task: str
    variants: tuple[Variant, ...]
    samples: int
    seeds: int
    title: str = ""

    def jobs(self) -> Iterator[Job]:
        """Every run of the panel."""
        for seed in range(self.seeds):
            for variant in self.variants:
                yield Job(self.task, variant, self.samples, seed)


@dataclass(frozen=True)
class Plan:
    """A table, or a figure with a picture."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    picture: bool

    def jobs(self) -> list[Job]:
        """Every run, each once; first seeds first, so that an early stop leaves no cell empty."""
        found = dict.fromkeys(job for panel in self.panels for job in panel.jobs())
        return sorted(found, key=lambda job: job.seed)

    def scaled(self, tasks: Sequence[str] = (), seeds: int = 0, samples: int = 0) -> "Plan":
        """The plan for some of its tasks, or with another number of seeds or samples; 0 and () keep what is planned."""
        kept = [panel for panel in self.panels if not tasks or panel.task in tasks]
        panels = (replace(p, seeds=seeds or p.seeds, samples=samples or p.samples) for p in kept)
        return replace(self, panels=tuple(panels))


def _table1() -> tuple[Panel, ...]:
    own = [Panel(task, (AWR, RWR, PG, PPO), 1_000_000, 3) for task in TASKS]
    trust = [Panel(task, (TRPO,), 1_000_000, 1) for task in TASKS if task not in ("Ant-v5", "Humanoid-v5")]
    return (*own, *trust, Panel("Hopper-v5", OFF_POLICY, 100_000, 1))


def _figure4() -> Iterator[Panel]:
    components = (
        AWR,
        Variant("no baseline (RWR)", "rwr"),
        Variant("on-policy", "awr", ("awr.rollout.replay_iterations=1",)),
        Variant("Monte-Carlo", "awr", ("awr.update.td_lambda=1",)),
    )
    sizes = tuple(_replay(thousand) for thousand in (5, 20, 50, 100))
    for task in _ABLATED:
        yield Panel(task, components, 500_000, 1, f"{task}: components")
        yield Panel(task, sizes, 500_000, 1, f"{task}: size of the replay")


def _replay(thousand: int) -> Variant:
    iterations = round(1000 * thousand / _ITERATION)
    return Variant(f"replay {thousand}k", "awr", (f"awr.rollout.replay_iterations={iterations}",))


def _figure10() -> Iterator[Panel]:
    sharp = "awr.update.temperature=1"
    variants = (
        Variant("weights up to 20", "awr", (sharp,)),
        Variant("no bound of weights", "awr", (sharp, f"awr.update.weight_clip={_UNCLIPPED:g}")),
    )
    for task in ("Hopper-v5", "LunarLander-v3"):
        yield Panel(task, variants, 300_000, 1)


def _sensitivity() -> Iterator[Panel]:
    groups: dict[str, tuple[str, tuple[float, ...]]] = {
        "lambda": ("td_lambda", (0.0, 0.5, 0.8, 1.0)),
        "temperature": ("temperature", (0.3, 0.5, 1.0, 5.0)),
        "largest weight": ("weight_clip", (5.0, 100.0, _UNCLIPPED)),
        "passes of the actor": ("actor_passes", (2, 4)),
        "passes of the critic": ("critic_passes", (2, 4)),
    }
    for task in _SENSITIVE:
        for title, (key, values) in groups.items():
            others = (Variant(f"{title} {value:g}", "awr", (f"awr.update.{key}={value:g}",)) for value in values)
            yield Panel(task, (AWR, *others), 300_000, 1, f"{task}: {title}")


def _clips() -> tuple[Panel, ...]:
    return tuple(Panel(clip, (AWR, PPO, RWR), 1_100_000, 1) for clip in CLIP_PRESETS)


PLANS = {
    plan.name: plan
    for plan in (
        Plan("table1", "Returns in six tasks", _table1(), picture=False),
        Plan("table2", "Normalised returns of five clips", _clips(), picture=False),
        Plan("figure3", "Learning curves in six tasks", _table1(), picture=True),
        Plan("figure4", "AWR without one of its components, and sizes of its replay", tuple(_figure4()), picture=True),
        Plan("figure6", "Learning curves of five clips", _clips(), picture=True),
        Plan("figure10", "AWR with and without a bound of its weights", tuple(_figure10()), picture=True),
        Plan("sensitivity", "Settings of AWR, one at a time", tuple(_sensitivity()), picture=True),
    )
}
