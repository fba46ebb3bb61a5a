import os
import signal

import pytest

from mimic import training
from mimic.config import load_preset
from mimic.training import Limits, RunConfig, train


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN])
def test_a_signal_while_the_run_is_set_up_is_not_lost(monkeypatch, tmp_path, before):
    """Also where SIGINT is ignored, as it is in a job that a shell script has started in the background."""

    class Trainer:
        root = tmp_path / "ckpt"

        def train(self):
            raise AssertionError("it has begun")

    monkeypatch.setattr(training, "load_clips", lambda name: [os.kill(os.getpid(), signal.SIGINT)])
    monkeypatch.setattr(training, "_make_trainer", lambda *of: Trainer())
    own = signal.signal(signal.SIGINT, before)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(RunConfig("walk", "awr", 0, load_preset("fast")), tmp_path, Limits())
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, own)
