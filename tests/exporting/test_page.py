"""The live page in a real browser: it runs, obeys its controls, and performs as Python does."""

import numpy as np
import pytest
from test_web import TOLERANCE, drift, python_rollout

from mimic.exporting.web import export_web
from mimic.runs.controller import load_controller, shipped_controllers
from tests.exporting import bundles
from tests.exporting.browser import chromium, served
from tests.kinematic_engine import config
from tests.motion_samples import clip_or_skip

SMALL = (420, 320)  # software drawing takes its time

OF_ONE_CLIP = [name for name in shipped_controllers() if "+" not in load_controller(name).clip]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page with every skill that ships and a dog that has learnt nothing."""
    controllers = [load_controller(name) for name in ("cartwheel", *(set(OF_ONE_CLIP) - {"cartwheel"}))]
    for controller in controllers:
        clip_or_skip(controller.clip)
    folder = tmp_path_factory.mktemp("page")
    dog = bundles.untrained(folder, "dog", config(), name="dog_stands", duration=0.8)
    export_web([*controllers, dog], folder / "web")
    with served(folder / "web") as url, chromium(folder, SMALL) as browser:
        browser.url = url
        browser.open(f"{url}/")
        browser.wait_for("window.mimic && mimic.page.firstMotion")
        yield browser


@pytest.fixture(autouse=True)
def fresh(page):
    """Every test starts with the cartwheel, playing, at full speed; none may leave a complaint behind."""
    page.run("mimic.page.choose('cartwheel').then(() => { mimic.page.playing = true; mimic.page.speed = 1; })")
    yield
    assert page.errors == []


def on_screen(page, body: int) -> tuple[float, float]:
    """Where a body's flesh is on the page [px]."""
    return tuple(
        page.run(
            f"(() => {{ const p = mimic.page; const {{ pos }} = p.skill.controller.skeleton.bodies[{body}].geom;"
            " p.stage.camera.updateMatrixWorld();"
            f" const v = p.figure.bones[{body}].localToWorld(p.beside.clone().set(pos[1], pos[2], pos[0]));"
            " v.project(p.stage.camera); const box = document.getElementById('view').getBoundingClientRect();"
            " return [(v.x + 1) / 2 * box.width, (1 - v.y) / 2 * box.height]; })()"
        )
    )


def root(page) -> np.ndarray:
    return np.array(page.run("Array.from(mimic.page.skill.data.qpos.slice(0, 3))"))


def test_the_page_fetches_only_its_own_files(page):
    assert len(page.asked) > 10
    assert [url for url in page.asked if not url.startswith((page.url, "data:", "blob:"))] == []


def test_the_character_stays_up_for_the_skills_length(page):
    page.run("mimic.page.restart()")
    cycle = page.run("mimic.page.skill.controller.reference.duration")
    time, fallen = page.wait_for(
        f"(s => (s.time > {cycle} || s.fallen) && [s.time, s.fallen])(mimic.page.skill)", seconds=300
    )
    assert time > cycle and fallen is None


@pytest.mark.parametrize("name", OF_ONE_CLIP)
def test_every_skill_that_ships_stays_up_and_looks_alive(page, name):
    page.run(f"mimic.page.playing = false; mimic.page.choose('{name}').then(() => true)")
    found = page.run("mimic.rollout(mimic.page.skill.controller.reference.duration)")
    assert found["fallen"] is None and np.ptp(np.array(found["rows"]), axis=0).max() > 0.1
    page.run("new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
    assert page.picture()[:220].astype(float).std(axis=(0, 1)).max() > 10, "not blank"


def test_the_rollout_of_the_page_is_pythons(page):
    page.run("mimic.page.playing = false")
    found = page.run("mimic.rollout(2.0)")
    assert found["fallen"] is None and len(found["rows"]) == 61
    assert drift(found["rows"], python_rollout(load_controller("cartwheel"), 2.0)) < TOLERANCE


def test_a_tap_pushes_the_character(page):
    """The same moment with and without a tap on its chest."""
    page.run("mimic.page.playing = false")
    undisturbed = page.run("mimic.rollout(0.6).rows.map(row => row.slice(0, 3))")
    page.run("mimic.rollout(0.2)")
    assert root(page) == pytest.approx(undisturbed[6], abs=1e-9)
    page.run("new Promise(requestAnimationFrame)")
    x, y = on_screen(page, 1)
    page.mouse("Moved", x, y)
    page.mouse("Pressed", x, y)
    page.mouse("Released", x, y)
    page.wait_for("mimic.page.playing")
    page.run("mimic.page.playing = false")
    pushed = page.run(
        "(s => { while (s.time < 0.6 - 1e-6) s.step(); return Array.from(s.data.qpos.slice(0, 3)); })(mimic.page.skill)"
    )
    assert np.linalg.norm(np.array(pushed) - undisturbed[18]) > 0.02


def test_a_drag_pulls_the_character_to_the_hand_and_lets_go(page):
    page.run("mimic.page.playing = false; mimic.rollout(0.1)")
    page.run("new Promise(requestAnimationFrame)")
    x, y = on_screen(page, 1)
    page.mouse("Moved", x, y)
    page.mouse("Pressed", x, y)
    page.mouse("Moved", x + 60, y)
    page.run("mimic.page.playing = true")
    page.wait_for("mimic.page.skill.force && mimic.page.skill.force.body === 1")
    assert page.run("Math.hypot(...mimic.page.skill.force.force)") > 20
    assert page.run("mimic.page.hand.handle.visible && !mimic.page.stage.controls.enabled")
    page.mouse("Released", x + 60, y)
    assert page.run("mimic.page.skill.force === null && mimic.page.stage.controls.enabled")


def test_dragging_beside_the_character_turns_the_camera(page):
    before = page.run("mimic.page.stage.controls.getAzimuthalAngle()")
    page.mouse("Moved", 30, 40)
    page.mouse("Pressed", 30, 40)
    page.mouse("Moved", 130, 40)
    page.mouse("Released", 130, 40)
    page.wait_for(f"Math.abs(mimic.page.stage.controls.getAzimuthalAngle() - {before}) > 0.3")
    assert page.run("mimic.page.skill.force === null")


def test_pause_restart_and_speed_work(page):
    page.run("document.getElementById('play').click()")
    still = page.run("mimic.page.skill.time")
    page.run("new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
    assert page.run("mimic.page.skill.time") == still
    page.run("document.getElementById('again').click()")
    assert page.run("mimic.page.skill.time") == 0
    page.run("document.querySelector('[data-speed=\"0.25\"]').click()")
    assert page.run("mimic.page.speed") == 0.25
    assert page.run("document.querySelectorAll('[data-speed][aria-pressed=true]').length") == 1
    page.run("document.querySelector('[data-speed=\"1\"]').click()")


def test_the_other_skill_is_another_character_that_falls_and_gets_up(page):
    page.run("(s => { s.value = 'dog_stands'; s.onchange({ target: s }); })(document.getElementById('skill'))")
    page.wait_for("mimic.page.skill.entry.name === 'dog_stands' && mimic.page.figure.bones.length === 23")
    assert page.run("document.getElementById('title').textContent") == "dog stands"
    page.wait_for("mimic.page.skill.fallen && document.getElementById('note').textContent.startsWith('down: ')")
    page.wait_for("mimic.page.skill.fallen === null")


def test_the_picture_shows_the_character_and_its_ghost(page):
    page.run("mimic.page.playing = false; mimic.rollout(0.3); new Promise(requestAnimationFrame)")
    page.run("new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
    seen = page.picture()[:220].astype(int)
    red, green, blue = seen[..., 0], seen[..., 1], seen[..., 2]
    orange, strong_blue = (red - blue > 60) & (red > green + 40), (blue - red > 60) & (green < 130)
    assert min(orange.sum(), strong_blue.sum()) > 60, "its right is orange, its left blue"
    ghost = (blue - red > 25) & (red > 120) & (blue > 180)
    with_ghost = ghost[60:].sum()
    page.run("document.getElementById('ghost').value = 'off'; new Promise(requestAnimationFrame)")
    page.run("new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
    without = page.picture()[60:220].astype(int)
    left = ((without[..., 2] - without[..., 0] > 25) & (without[..., 0] > 120) & (without[..., 2] > 180)).sum()
    page.run("document.getElementById('ghost').value = 'beside'")
    assert with_ghost > left + 100


def test_the_controls_fit_a_phone(page):
    page.resize(375, 700)
    boxes = page.run(
        "Array.from(document.querySelectorAll('footer button, footer select'), e => e.getBoundingClientRect())"
        ".map(b => [b.left, b.right, b.top, b.bottom])"
    )
    page.resize(*SMALL)
    assert len(boxes) == 8
    assert all(left >= 0 and right <= 375 and top > 350 and bottom <= 700 for left, right, top, bottom in boxes)


def test_the_skill_that_was_asked_for_last_is_shown(page):
    shown = page.run(
        "(async () => { const p = mimic.page; delete p.skills.dog_stands; const slow = p.choose('dog_stands');"
        " const said = document.getElementById('status').textContent; await p.choose('cartwheel'); await slow;"
        " return [said, p.shown, p.skill.entry.name, document.getElementById('skill').value]; })()"
    )
    assert shown == ["loading dog stands …", "cartwheel", "cartwheel", "cartwheel"]


def test_a_skill_that_cannot_be_fetched_says_so_and_the_present_one_stays(page):
    found = page.run(
        "(async () => { const p = mimic.page, real = window.fetch; delete p.skills.dog_stands;"
        " window.fetch = async () => new Response('', { status: 503, statusText: 'away' });"
        " await p.choose('dog_stands'); window.fetch = real;"
        " const said = document.getElementById('status').textContent; await p.choose('dog_stands');"
        " return [said, p.shown, document.getElementById('status').textContent]; })()"
    )
    assert "dog stands could not be loaded: skills/dog_stands/" in found[0] and "503 away" in found[0]
    assert found[1:] == ["dog_stands", ""]


def test_the_licence_is_in_the_footer(page):
    assert page.run("document.querySelector('footer #licence').textContent") == page.run(
        "mimic.page.entries.find(e => e.name === 'cartwheel').warning"
    )
    assert page.run("document.querySelector('header #licence')") is None
