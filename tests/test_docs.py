"""What the documentation tells people to write works as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.motion_samples import clip_or_skip

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    '("awr.update.temperature=1.5", ': '("num_envs=4", "awr.rollout.steps=4", "env.evaluation_s=0.2", "trainer.tensorboard=false", ',
    "StopCriteria(minutes=10)": "StopCriteria(samples=32)",
    "--minutes 10": "--samples 32 --num-envs 4 --set awr.rollout.steps=4 --set env.evaluation_s=0.2",
    "controller.make_env(32": "controller.make_env(2",
    'load_preset("fast").env, 32': 'load_preset("fast", ("env.evaluation_s=0.2",)).env, 2',
    "--episodes 8": "--episodes 1 --seconds 0.2",
}


@pytest.mark.slow
def test_the_script_in_python_md_runs(tmp_path):
    clip_or_skip("walk")
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    for long, short in TINY.items():
        assert long in script
        script = script.replace(long, short)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "AWR, 2 seeds" in done.stdout or "walk-awr-0, 2 seeds" in done.stdout
    assert "reward: upright" in done.stdout and (tmp_path / "runs" / "mine" / "ckpt").is_dir()
