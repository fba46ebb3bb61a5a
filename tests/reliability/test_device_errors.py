"""A GPU that is full or gone: half a minibatch at a time, then one line and exit code 4; what was saved stays good."""

import re

import pytest
import torch

import run_mimic
from mimic.cli.main import all_commands
from mimic.gpu.device_errors import explain
from mimic.rl.learner import Learner
from mimic.rl.optim import GuardedOptimizer

FULL = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.25 GiB is free. "
    "Including non-PyTorch memory, this process has 77.86 GiB memory in use. Of the allocated memory 70 GiB is"
)


class Full:
    """A loss that needs more memory than there is for more than so many rows."""

    def __init__(self, net, rows):
        self.net, self.rows, self.seen = net, rows, []

    def __call__(self, index):
        self.seen.append(index.numel())
        if index.numel() > self.rows:
            raise torch.OutOfMemoryError(FULL)
        return (self.net(torch.arange(12.0).view(4, 3)[index]) - 1.0).square().mean().unsqueeze(0)


def trained(rows):
    net = torch.nn.Linear(3, 2)
    with torch.no_grad():
        net.weight.fill_(0.1)
        net.bias.zero_()
    optimizer, loss = GuardedOptimizer(net.parameters(), "adam", 0.01), Full(net, rows)
    losses = [float(optimizer.step_over([torch.tensor([0, 2, 3])], loss)) for _ in range(3)]
    return net.weight.detach(), losses, loss.seen


def test_a_minibatch_taken_in_halves_gives_the_same_update():
    weight, losses, seen = trained(rows=3)
    halved_weight, halved_losses, halved_seen = trained(rows=2)
    assert seen == [3, 3, 3] and halved_seen == [3, 2, 1, 2, 1, 2, 1], "once halved, it stays so"
    assert halved_weight == pytest.approx(weight, abs=1e-6) and halved_losses == pytest.approx(losses, rel=1e-6)


def test_memory_that_runs_out_for_halves_too_ends_the_update():
    with pytest.raises(torch.OutOfMemoryError):
        trained(rows=1)


TRAIN = {"num_envs": None, "set": [], "resume": False}


@pytest.mark.parametrize(
    "error, said",
    [
        (torch.OutOfMemoryError(FULL), "Tried to allocate 2.00 GiB.*79.11 GiB of which 1.25 GiB is free; take fewer"),
        (RuntimeError("Failed to allocate 5368709120 bytes on device 'cuda:0'"), "5368709120 bytes.*--num-envs"),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), "GPU was lost.*launch failure.*--resume"),
        (RuntimeError("CUDA error: an illegal memory access\nwas encountered"), "GPU was lost.*access was encountered"),
    ],
)
def test_one_line_says_what_to_do_about_a_device_error(error, said):
    line = explain(error, TRAIN)
    assert "\n" not in line
    assert re.search(said, line), line


@pytest.mark.parametrize(
    "command",
    [
        "run --clip walk",
        "train --clip walk --algorithm ppo",
        "train --clip walk --resume",
        "evaluate --controller walk",
        "bench sim",
        "render --controller walk --out a.mp4",
    ],
)
def test_advice_against_a_full_device_names_only_options_that_the_command_accepts(command):
    options = vars(all_commands().parser.parse(command.split()))
    line = explain(torch.OutOfMemoryError(FULL), options)
    if options.get("resume"):
        assert "train --from RUN --num-envs N" in line, "a resumed run refuses other settings"
        return
    advised = [word.replace("-", "_") for word in re.findall(r"--([a-z-]+)", line)]
    assert set(advised) <= set(options), line
    assert "awr" not in line, (
        "the run may learn by another algorithm, and refuses the settings of those that it does not use"
    )


def test_other_errors_are_not_explained_away():
    assert explain(RuntimeError("shapes do not match")) is None
    assert explain(ValueError("memory")) is None


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_a_device_error_ends_the_run_with_code_4_and_the_run_resumes(tmp_path, monkeypatch, capsys, kind):
    out = tmp_path / "run"
    order = ["train", "--clip", "trot-authored", "--out", str(out), "--threads", "1"]
    first = [*order, "--num-envs", "8", "--set", "trainer.evaluate_every=0"]
    assert run_mimic.main([*first, "--samples", "200"]) == 0
    saved = sorted(path.name for path in (out / "ckpt").iterdir())
    whole = Learner.fit_critic

    def full(self, *rest):
        raise kind("CUDA error: out of memory" if kind is torch.OutOfMemoryError else "CUDA error: device lost")

    monkeypatch.setattr(Learner, "fit_critic", full)
    capsys.readouterr()
    assert run_mimic.main([*order, "--resume", "--samples", "600"]) == 4
    assert "--resume" in capsys.readouterr().err
    assert sorted(path.name for path in (out / "ckpt").iterdir()) == saved
    monkeypatch.setattr(Learner, "fit_critic", whole)
    assert run_mimic.main([*order, "--resume", "--samples", "600"]) == 0
