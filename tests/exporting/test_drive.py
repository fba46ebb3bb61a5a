"""The page in which one drives: keys and buttons lead the character, a fall ends on its feet, and trouble is told."""

import threading
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

import run_mimic
from mimic.core.errors import InputError
from mimic.exporting.serve import page_server
from mimic.exporting.web import web_files
from mimic.runs.controller import load_controller
from tests.exporting import bundles
from tests.exporting.browser import chromium, served

DOG = "dog-authored"
SMALL = (420, 480)  # software drawing takes its time


@pytest.fixture(scope="module")
def files():
    return web_files([load_controller(DOG)])


@pytest.fixture(scope="module")
def page(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drive")
    bundles.write(folder / "web", files)
    with served(folder / "web") as url, chromium(folder, SMALL) as browser:
        browser.url = url
        browser.open(f"{url}/")
        browser.wait_for("window.mimic && mimic.page && mimic.page.firstMotion")
        yield browser


@pytest.fixture(autouse=True)
def fresh(request):
    """Every test of the page starts with the character at rest; none may leave a complaint behind."""
    if "page" not in request.fixturenames:
        yield
        return
    page = request.getfixturevalue("page")
    page.run("(p => { p.playing = true; p.skill.helping = true; p.input.held.clear(); p.restart(); })(mimic.page)")
    yield
    assert page.errors == []


def key(page, code: str, letter: str, down: bool = True) -> None:
    page.call("Input.dispatchKeyEvent", type="rawKeyDown" if down else "keyUp", code=code, key=letter)


def later(page, seconds: float) -> None:
    """Let the simulation run so long."""
    until = page.run("mimic.page.skill.time") + seconds
    page.wait_for(f"mimic.page.skill.time > {until}", seconds=120)


def test_the_folder_is_small_enough_and_names_its_files(files):
    assert sum(map(len, files.values())) < 10e6
    assert b"mjs" not in files["library.js"].split(b"*/")[1] + files["conductor.js"].split(b"*/")[1]
    for name in ("library.js", "conductor.js", "performer.js", "input.js", "drive.js"):
        assert b"http://" not in files[name].replace(b"http://localhost", b"")


def test_the_page_fetches_only_its_own_files(page):
    assert len(page.asked) > 10
    assert [url for url in page.asked if not url.startswith((page.url, "data:", "blob:"))] == []


def test_a_key_makes_it_walk_and_letting_go_makes_it_stop(page):
    key(page, "KeyW", "w")
    page.wait_for("mimic.page.skill.clock.speed > 0.5")
    # a dog that falls is put back on its feet, and goes on
    page.wait_for("document.getElementById('status').textContent.startsWith('walk')", seconds=120)
    page.wait_for("Math.hypot(mimic.page.skill.data.qpos[0], mimic.page.skill.data.qpos[1]) > 0.3", seconds=120)
    key(page, "KeyW", "w", down=False)
    page.wait_for("mimic.page.skill.stick[0] === 0 && mimic.page.skill.clock.speed < 0.1", seconds=120)


def test_a_skill_button_plays_the_clip_and_again_ends_it(page):
    click = "document.querySelector('[data-skill=\"turn-authored\"]').click()"
    page.run(f"{click}; mimic.page.playing = false")
    page.wait_for("document.querySelector('[data-skill=\"turn-authored\"]').ariaPressed === 'true'")
    target = page.run("(s => [s.asked, s.controller.library.clips[s.clock.target].name])(mimic.page.skill)")
    assert target == ["turn-authored", "turn-authored"]
    assert "turn" in page.run("document.getElementById('status').textContent")
    page.run(f"{click}; mimic.page.playing = false")
    assert page.run("mimic.page.skill.asked === null && mimic.page.skill.clock.steering")


def test_after_a_fall_it_says_why_and_is_put_back_on_its_feet(page):
    page.run("mimic.page.skill.helping = false; mimic.page.skill.data.qvel.set([3, 3, 0, 6, 6, 0])")
    page.wait_for("mimic.page.skill.fallen", seconds=120)
    page.wait_for("document.getElementById('note').textContent.startsWith('fell on its ')")
    page.wait_for("mimic.page.skill.fallen === null", seconds=120)
    assert page.run("mimic.page.skill.clock.now.clip === mimic.page.skill.controller.library.index('stand')")
    page.wait_for("document.getElementById('note').textContent.startsWith('put back on its feet')")


def test_a_simulation_that_fails_goes_on_where_it_was(page):
    page.run("(s => { s.restart([7, 0], 0); s.step(); s.data.qvel.fill(1e12); })(mimic.page.skill)")
    page.wait_for("document.getElementById('note').textContent.startsWith('put back on its feet')")
    later(page, 0.3)
    x, height = page.run("[mimic.page.skill.data.qpos[0], mimic.page.skill.data.qpos[2]]")
    assert x == pytest.approx(7.0, abs=0.5) and height > 0.3


def test_the_helping_hand_keeps_within_its_limits(page):
    page.run("mimic.page.skill.data.qpos[0] += 5; mimic.page.playing = false; mimic.page.skill.support()")
    weight = page.run("9.81 * mimic.page.skill.mass")
    force = page.run("Math.hypot(...mimic.page.skill.data.xfrc_applied.slice(6, 9))")
    assert force == pytest.approx(weight, rel=1e-6)
    page.run("document.getElementById('help').click()")
    assert page.run("mimic.page.skill.helping") is False
    page.run("document.getElementById('help').click()")


def test_nan_on_the_stick_stands_still(page):
    page.run("mimic.page.skill.steer(NaN, NaN)")
    assert page.run("mimic.page.skill.clock.wanted") == [0, 0]


def test_a_gamepad_with_nan_on_its_stick_and_an_unknown_clip_do_no_harm(page):
    page.run(
        "(real => { navigator.getGamepads = () => [{connected: true, axes: [NaN, -1], buttons: []}];"
        " window.unplug = () => { navigator.getGamepads = real; }; })(navigator.getGamepads)"
    )
    later(page, 0.3)
    asked = page.run(
        "(s => { try { s.play('cartwhel'); } catch (error) { return [error.message, s.asked]; } })(mimic.page.skill)"
    )
    stick = page.run("mimic.page.skill.stick")
    page.run("window.unplug()")
    assert stick == [0, 0] and asked[1] is None
    assert asked[0].startswith("no clip 'cartwhel'; there are ") and "trot-authored" in asked[0]


def test_the_controls_fit_a_phone(page):
    page.resize(375, 700)
    page.run("new Promise(requestAnimationFrame)")
    boxes = page.run(
        "Array.from(document.querySelectorAll('#pad, footer :is(button, label)'), e =>"
        " e.getBoundingClientRect()).filter(b => b.width).map(b => [b.left, b.right, b.top, b.bottom])"
    )
    page.resize(*SMALL)
    assert len(boxes) > 6
    assert all(left >= 0 and right <= 375 and top > 200 and bottom <= 700 for left, right, top, bottom in boxes)


def test_a_browser_without_webgl_is_told_so(files, tmp_path):
    bundles.write(tmp_path / "web", files)
    with served(tmp_path / "web") as url, chromium(tmp_path, SMALL) as browser:
        browser.call(
            "Page.addScriptToEvaluateOnNewDocument", source="HTMLCanvasElement.prototype.getContext = () => null"
        )
        browser.open(f"{url}/")
        said = browser.wait_for("(t => t?.includes('WebGL') && t)(document.getElementById('loading')?.textContent)")
        assert said.startswith("This page could not start: this browser has no WebGL 2")


def test_the_server_has_the_page_and_nothing_else(files):
    with page_server(files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with urlopen(f"{address}/") as answer:
            assert answer.read() == files["index.html"] and answer.headers["Content-Type"] == "text/html"
        for path in ("/../pyproject.toml", "/characters", "/none"):
            with pytest.raises(HTTPError):
                urlopen(address + path)
        with pytest.raises(InputError, match=r"port .* cannot be used .*--port"):
            page_server(files, server.server_address[1])
        server.shutdown()


def test_play_refuses_what_it_cannot_do_in_one_line(capsys):
    assert run_mimic.main(["play", "--controller", "humanoidd", "--no-open"]) == 2
    assert "humanoid" in capsys.readouterr().err
    assert run_mimic.main(["play", "--controller", f"{DOG},walk-authored", "--no-open"]) == 2
    said = capsys.readouterr().err
    assert "'walk-authored' is of one clip, 'dog-authored' of a library" in said and said.count("\n") == 1
    assert run_mimic.main(["play", "--controller", DOG, "--controller", "walk-authored", "--no-open"]) == 2
    assert "'walk-authored' is of one clip" in capsys.readouterr().err, "none of several --controller is lost"
    assert run_mimic.main(["play", "--controller", ",", "--no-open"]) == 2
    assert "--controller names no controller" in capsys.readouterr().err
    with page_server({}) as server:
        port = str(server.server_address[1])
        assert run_mimic.main(["play", "--controller", DOG, "--port", port, "--no-open"]) == 2
    assert f"port {port} cannot be used" in capsys.readouterr().err


def test_play_of_a_controller_of_one_clip_serves_that_clip():
    files = web_files([load_controller("walk-authored")])
    assert "skills.json" in files and "characters.json" not in files
