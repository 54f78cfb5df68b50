"""`report.html`: whole, self-contained, safe, and drawn by a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mtmc.results.colours import vehicle_colour_rgb
from mtmc.results.swim_lanes import clock
from tests.running import rerun_with_camera_name

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class _Links(HTMLParser):
    """Collects every attribute that could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "data", "srcset") and value:
                self.found.append(value)
            if name == "id" and value:
                self.ids.append(value)


def parsed(text: str) -> _Links:
    parser = _Links()
    parser.feed(text)
    return parser


def test_it_needs_nothing_but_itself(small_run: Path) -> None:
    text = (small_run / "report.html").read_text()
    links = parsed(text)
    assert links.found
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in links.found)
    assert {link[1:] for link in links.found if link.startswith("#")} <= set(links.ids)
    assert not re.search(r"@import|url\(", text)


def test_every_camera_and_every_linked_vehicle_is_in_it(small_run: Path) -> None:
    text = (small_run / "report.html").read_text()
    for camera in ("c001", "c002", "c003"):
        assert f"<h3>{camera}</h3>" in text
    rows = (small_run / "matches.csv").read_text().splitlines()[1:]
    vehicles = {row.split(",")[0] for row in rows}
    assert {f"v{vehicle}" for vehicle in vehicles} <= set(parsed(text).ids)
    assert text.count('class="bar v') == len((small_run / "tracklets.csv").read_text().splitlines()) - 1


def test_names_cannot_become_markup(small_world: Path, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)> & 'c'"
    text = rerun_with_camera_name(small_world, tmp_path, name)
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; &#39;c&#39;" in text


def draw(address: str, picture: Path) -> None:
    """A screenshot of a page; skips where the browser itself cannot live (some sandboxes kill it)."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
               "--disable-sync", f"--user-data-dir={picture.parent / 'profile'}",
               "--window-size=1280,2400"]  # fmt: skip
    try:
        code = subprocess.run([str(CHROMIUM), *options, f"--screenshot={picture}", address], check=False, timeout=120,
                              capture_output=True).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        code = -9
    if code < 0:
        pytest.skip(f"Chromium was ended by signal {-code}: the report was not opened in a browser")
    assert code == 0


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: the report was not opened in a browser")
def test_a_real_browser_draws_it(small_run: Path, tmp_path: Path) -> None:
    import cv2

    picture = tmp_path / "report.png"
    draw((small_run / "report.html").as_uri(), picture)
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.shape[0] >= 2000
    colours = {tuple(pixel) for pixel in image.reshape(-1, 3)[::7].tolist()}
    assert len(colours) > 500  # pictures, not an error page
    texts = (small_run / "matches.csv").read_text().splitlines()[1:]
    first = int(texts[0].split(",")[0])
    wanted = np.array(vehicle_colour_rgb(first)[::-1])
    assert (np.abs(image.astype(int) - wanted).max(axis=2) <= 2).any()  # the first vehicle's bar


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00.0"), (59.96, "1:00.0"), (3725.25, "1:02:05.2"), (-3, "-0:03.0")]
)
def test_clock(seconds: float, words: str) -> None:
    assert clock(seconds) == words


def test_colours_of_neighbours_differ() -> None:
    colours = np.array([vehicle_colour_rgb(i) for i in range(1, 200)], dtype=int)
    apart = np.abs(np.diff(colours, axis=0)).max(axis=1)
    assert apart.min() > 60
    assert len({tuple(c) for c in colours.tolist()}) == len(colours)
