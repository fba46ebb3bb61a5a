"""The replay: one file, small, that asks for nothing and shows every moment where the motion has it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from characters import load_character
from mimic.core.errors import InputError
from mimic.exporting import replay_page as module
from mimic.exporting.animation import replay_of_controller
from mimic.exporting.replay_page import export_replay, replay_html
from mimic.runs.controller import load_controller
from mocap.editing import resample
from tests.exporting.browser import chromium
from tests.exporting.reading import CHARACTERS, body_positions
from tests.kinematic_engine import gentle_motion
from tests.motion_samples import clip_or_skip, random_motion

MENACING = "</script><script>window.broken = true</script>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("replay"), (420, 320)) as found:
        yield found


@pytest.mark.parametrize("name", CHARACTERS)
def test_scrubbing_shows_the_moment(browser, name, tmp_path):
    character = load_character(name)
    motion = resample(random_motion(name, frames=20, loop=False), character, 60.0)
    reference = resample(gentle_motion(name, loop=False), character, 60.0)
    out = tmp_path / "x.html"
    size = export_replay([motion, reference], character, out, MENACING)
    assert size == out.stat().st_size < 5e6
    browser.errors.clear()
    browser.asked.clear()
    browser.open(out.as_uri())
    browser.wait_for("window.mimic && mimic.replay.time > 0")
    places = body_positions(motion)
    for frame in (0, 7, motion.num_frames - 1, 3):
        browser.run(
            f"(line => {{ line.value = {motion.times[frame]}; line.oninput({{ target: line }}); }})"
            "(document.getElementById('line'))"
        )
        found = np.array(browser.run("mimic.bones()"))
        assert np.abs(found - places[frame]).max() < 1e-3
    assert browser.run("!mimic.replay.playing && mimic.replay.time") == pytest.approx(float(motion.times[3]))
    assert browser.run("document.getElementById('licence').textContent") == MENACING
    assert browser.run("window.broken === undefined")
    assert browser.errors == []
    assert [url for url in browser.asked if not url.startswith(("data:", "blob:", out.as_uri()))] == []
    picture = browser.picture().astype(float)
    assert picture[:200].std(axis=(0, 1)).max() > 10, "not blank"


def test_the_page_plays_and_steps_by_frames(browser, tmp_path):
    character = load_character("humanoid")
    motion = resample(gentle_motion("humanoid", loop=False, duration=20.0), character, 30.0)
    out = tmp_path / "x.html"
    export_replay([motion], character, out)
    browser.open(out.as_uri())
    browser.wait_for("window.mimic && mimic.replay.time > 0")
    first = browser.run("mimic.replay.time")
    browser.wait_for(f"mimic.replay.time > {first} + 0.1")
    browser.run("document.getElementById('play').click()")
    browser.run("mimic.replay.seek(1.0)")
    for key, expected in ((".", 31), (".", 32), (",", 31)):
        browser.run(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))")
        assert browser.run("mimic.replay.time") == pytest.approx(expected / 30, abs=1e-6)
    assert browser.run("document.getElementById('reference').hidden"), "there is no reference to show or hide"


def test_the_shipped_skill_fits_into_a_small_file_and_stays_the_same(tmp_path):
    clip_or_skip("cartwheel")
    assert replay_of_controller(load_controller("cartwheel"), 2.0, 60.0, tmp_path / "a.html").startswith("2.00 s, ")
    replay_of_controller(load_controller("cartwheel"), 2.0, 60.0, tmp_path / "b.html")
    assert (tmp_path / "a.html").stat().st_size < 2e6
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_nothing_in_the_page_names_another_place():
    page = replay_html([gentle_motion("humanoid")], load_character("humanoid"), "").decode()
    outside = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    assert not re.search(r"(src|href|url|import|fetch)\W+(https?:)?//", outside)
    assert not re.search(r"@[A-Z]+@", outside), "everything has been filled in"


def test_a_page_that_would_be_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 100_000)
    motion = replace(gentle_motion("humanoid"), name="long")
    with pytest.raises(InputError, match=r"more than 0\.1; use fewer --seconds or a lower --fps"):
        export_replay([motion], load_character("humanoid"), tmp_path / "x.html")
    assert not list(tmp_path.iterdir())
