"""The renderer is chosen by what works, and says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mimic.core.errors import InputError
from mimic.rendering import backend as backend
from mimic.rendering.backend import APT_LINE, Probe, choose_renderer, probe_egl


@pytest.fixture(autouse=True)
def _fresh_probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    probe_egl.cache_clear()
    yield
    probe_egl.cache_clear()


def _probe_with(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Probe:
    path = folder / "probe.py"
    path.write_text(program)
    monkeypatch.setattr(backend, "_PROBE", path)
    return probe_egl()


def test_opengl_draws_if_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "probe_egl", lambda: Probe(True, "Some GPU"))
    assert choose_renderer().name == "egl" and "Some GPU" in choose_renderer().reason
    assert choose_renderer().advice == ""


@pytest.mark.parametrize(("embree", "pybullet", "name"), [(1, 1, "ray"), (1, 0, "ray"), (0, 1, "tiny"), (0, 0, "egl")])
def test_the_cpu_draws_if_opengl_has_no_gpu(
    embree: int, pybullet: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "probe_egl", lambda: Probe(True, "llvmpipe (LLVM 15)"))
    monkeypatch.setattr(backend, "_has_embree", lambda: bool(embree))
    monkeypatch.setattr(backend, "_has_pybullet", lambda: bool(pybullet))
    assert choose_renderer().name == name and "llvmpipe" in choose_renderer().reason
    assert choose_renderer("egl").name == "egl"


def test_rays_draw_if_opengl_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "probe_egl", lambda: Probe(False, "no such library"))
    chosen = choose_renderer()
    assert chosen.name == "ray" and APT_LINE in chosen.advice and "no such library" in chosen.reason
    with pytest.raises(InputError, match=r"no such library.*apt-get"):
        choose_renderer("egl")


def test_a_machine_without_any_renderer_gets_an_error_that_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "probe_egl", lambda: Probe(False, "no such library"))
    monkeypatch.setattr(backend, "_has_embree", lambda: False)
    monkeypatch.setattr(backend, "_has_pybullet", lambda: False)
    with pytest.raises(InputError, match=r"embreex.*apt-get install"):
        choose_renderer()
    with pytest.raises(InputError, match="pybullet"):
        choose_renderer("tiny")
    with pytest.raises(InputError, match="pip install embreex"):
        choose_renderer("ray")


def test_an_unknown_renderer_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'tiny'"):
        choose_renderer("tinny")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise ImportError('no libEGL. Sorry.')", "ImportError: no libEGL"),
        ("import os; os.abort()", "ended with code"),
        ("import sys; sys.exit(3)", "ended with code 3"),
    ],
)
def test_a_driver_that_crashes_does_so_elsewhere(
    program: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = _probe_with(program, tmp_path, monkeypatch)
    assert not probe.works and said in probe.detail


def test_a_driver_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_PROBE_TIMEOUT_S", 0.5)
    probe = _probe_with("import time; time.sleep(60)", tmp_path, monkeypatch)
    assert not probe.works and "0.5 s" in probe.detail


def test_the_real_probe_fails_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libEGL.so.1").write_text("no library")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("MUJOCO_GL", "egl")
    assert probe_egl() == Probe(False, "libEGL is not installed")


def test_opengl_can_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disable")
    assert probe_egl() == Probe(False, "MUJOCO_GL=disable forbids it")
