"""What the documentation tells people to write works as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.motion_samples import clip_or_skip

ROOT = Path(__file__).resolve().parents[1]
SMALL = '"num_envs=4", "awr.rollout.steps=4", "env.evaluation_s=0.2", "trainer.tensorboard=false"'
TINY = {
    'out="runs/mywalk", minutes=10)': f'out="runs/mywalk", samples=32, preset=mimic.load_preset("fast", {SMALL}))',
    "episodes=32": "episodes=2, seconds=0.2",
    "seconds=10)": "seconds=0.2)",
    '"awr.update.temperature=1.5", ': f"{SMALL}, ",
    "out, minutes=10": "out, samples=32",
    "--minutes 10": "--samples 32 --num-envs 4 --set awr.rollout.steps=4 --set env.evaluation_s=0.2",
    "controller.make_env(32": "controller.make_env(2",
    '"walk", 32, training=False': '"walk", 2, preset=mimic.load_preset("fast", "env.evaluation_s=0.2"), training=False',
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
    assert (tmp_path / "mywalk.mp4").is_file() and (tmp_path / "walk_bundle" / "manifest.json").is_file()
    assert "reward: upright" in done.stdout and (tmp_path / "runs" / "mine" / "ckpt").is_dir()


def test_python_md_imports_nothing_of_ours_but_the_public_face():
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    ours = [line for line in code.splitlines() if re.match(r"(import|from) (mimic|mocap|retarget|characters)", line)]
    assert set(ours) == {"import mimic"}


@pytest.mark.parametrize(
    "document", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
)
def test_every_file_of_the_project_that_a_document_names_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    outside_fences = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    paths = re.findall(r"\b(?:mimic|mocap|retarget|characters|bench|tests|docs)(?:/[\w.-]+)+\.\w+", outside_fences)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [path for path in paths if not (ROOT / path).exists()]
    missing += [link for link in links if link and not (ROOT / document).parent.joinpath(link).exists()]
    assert not missing, f"{document} names files that do not exist: {', '.join(missing)}"
