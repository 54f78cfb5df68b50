"""Annotated videos and the mosaic: the right picture at the right time, one colour a vehicle."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtmc.cameras import Camera, plain_camera
from mtmc.errors import ConfigError, VideoError
from mtmc.results import drawing, mosaic, render
from mtmc.results.colours import vehicle_colour_rgb
from mtmc.results.mosaic import render_mosaic
from mtmc.results.render import RenderConfig, linked_ids, render_camera
from mtmc.results.track_boxes import TrackBoxes
from mtmc.video import DecodeReport, VideoConfig, read_frames
from tests import clips

WIDTH, HEIGHT = 320, 192


def flat(index: int, width: int, height: int) -> np.ndarray:
    """A grey picture with the index in its strip, so that drawn colours are easy to find."""
    image = np.full((height, width, 3), 128, np.uint8)
    image[: clips.STRIP_PX] = clips.draw(index, width, height)[: clips.STRIP_PX]
    return image


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> tuple[Camera, Camera]:
    """a: 30 frames at 10 Hz from 0 s; b: 40 frames at 25 Hz from 1.2 s."""
    folder = tmp_path_factory.mktemp("clips")
    first = clips.write_clip(folder / "a.mp4", 30, rate=10, picture=flat)
    second = clips.write_clip(folder / "b.mp4", 40, rate=25, picture=flat)
    return plain_camera("a", first), replace(plain_camera("b", second), start_s=1.2)


@pytest.fixture
def boxes() -> TrackBoxes:
    """Vehicle 7 in both cameras, vehicle 8 in a alone; frames 11 to 20 (counted from 1)."""
    rows = [("a", 7, f, 100) for f in range(11, 21)] + [("a", 8, f, 200) for f in range(11, 21)]
    rows += [("b", 7, f, 40) for f in range(11, 21)]
    return TrackBoxes.build(
        ["a", "b"],
        np.array([camera == "b" for camera, *_ in rows], int),
        np.array([i for _, i, *_ in rows]),
        np.array([f for *_, f, _ in rows]),
        np.array([[left, 80, 60, 50] for *_, left in rows], float),
    )


def read(path: Path) -> tuple[list[float], list[np.ndarray]]:
    frames = list(read_frames(plain_camera("v", path), VideoConfig(), DecodeReport()))
    return [frame.time_s for frame in frames], [frame.image for frame in frames]


def share_of_colour(image: np.ndarray, global_id: int) -> float:
    """How much of `image` is in a vehicle's colour."""
    return float((np.abs(image.astype(int) - vehicle_colour_rgb(global_id)).max(axis=2) < 40).mean())


@pytest.fixture
def no_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (render, mosaic):
        monkeypatch.setattr(module, "caption", lambda *_: None)


def test_vehicles_seen_in_several_cameras_are_linked(boxes: TrackBoxes) -> None:
    assert linked_ids(boxes) == {7}
    assert linked_ids(TrackBoxes.empty(["a"])) == frozenset()


@pytest.mark.usefixtures("no_captions")
def test_a_camera_frame_for_frame_with_its_vehicles(
    cameras: tuple[Camera, Camera], boxes: TrackBoxes, tmp_path: Path
) -> None:
    told: list[float] = []
    report = render_camera(cameras[1], boxes, tmp_path / "b.mp4", RenderConfig(), VideoConfig(), told.append)
    times, images = read(tmp_path / "b.mp4")
    assert times == pytest.approx(np.arange(40) / 25, abs=1e-4)
    assert told == pytest.approx(1.2 + np.arange(40) / 25)
    assert report.frames_decoded == 40
    assert [clips.read_index(image) for image in images] == list(range(40))
    drawn = [share_of_colour(image[70:140, 30:110], 7) > 0.02 for image in images]
    assert drawn == [10 <= index < 20 for index in range(40)]
    assert all(share_of_colour(image, 8) < 0.001 for image in images)


@pytest.mark.usefixtures("no_captions")
def test_wide_pictures_are_scaled_with_their_boxes(
    cameras: tuple[Camera, Camera], boxes: TrackBoxes, tmp_path: Path
) -> None:
    render_camera(cameras[0], boxes, tmp_path / "a.mp4", RenderConfig(max_width_px=160), VideoConfig())
    image = read(tmp_path / "a.mp4")[1][15]
    assert image.shape == (HEIGHT // 2, WIDTH // 2, 3)
    edge = np.abs(image[45:62, 48:54].astype(int) - 128).max(axis=2).max(axis=1)
    assert (edge > 30).all()  # the left side of vehicle 7, at x = 100 / 2


def test_captions_name_camera_and_time(cameras: tuple[Camera, Camera], tmp_path: Path) -> None:
    render_camera(cameras[0], TrackBoxes.empty(["a"]), tmp_path / "a.mp4", RenderConfig(), VideoConfig())
    image = read(tmp_path / "a.mp4")[1][0]
    assert image[:12, :40].max() > 200
    assert np.median(image[:12, :40]) < 60


def test_a_camera_that_cannot_be_read_leaves_nothing(boxes: TrackBoxes, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").touch()
    with pytest.raises(VideoError, match="empty"):
        render_camera(plain_camera("a", tmp_path / "x.mp4"), boxes, tmp_path / "out.mp4", RenderConfig(), VideoConfig())
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


@pytest.mark.usefixtures("no_captions")
def test_the_mosaic_shows_every_camera_at_the_common_time(
    cameras: tuple[Camera, Camera], boxes: TrackBoxes, tmp_path: Path
) -> None:
    told: list[float] = []
    config = RenderConfig(mosaic_width_px=2 * (WIDTH + 2), mosaic_rate_hz=5.0)
    faults = render_mosaic(cameras, boxes, tmp_path / "m.mp4", config, VideoConfig(), told.append)
    times, images = read(tmp_path / "m.mp4")
    assert faults == {}
    assert told == pytest.approx(times, abs=1e-3)  # the first camera starts at 0
    assert times == pytest.approx(np.arange(len(times)) / 5, abs=1e-4)
    assert times[-1] == pytest.approx(3.0)  # the first picture after the last of a (2.9 s) shows it
    for time_s, image in zip(times, images, strict=True):
        left, right = image[:HEIGHT, :WIDTH], image[:HEIGHT, WIDTH + 2 : 2 * WIDTH + 2]
        index_a, index_b = (min(math.floor(t + 1e-3), n) for t, n in ((time_s * 10, 29), ((time_s - 1.2) * 25, 39)))
        assert clips.read_index(left) == index_a
        assert (share_of_colour(left[70:140], 7) > 0.003) == (10 <= index_a < 20)
        if index_b >= 0:
            assert clips.read_index(right) == index_b
            assert (share_of_colour(right[70:140], 7) > 0.003) == (10 <= index_b < 20)
        else:
            assert right.max() < 60  # not started yet


@pytest.mark.usefixtures("no_captions")
def test_stretches_without_any_camera_are_left_out(cameras: tuple[Camera, Camera], tmp_path: Path) -> None:
    late = replace(cameras[1], start_s=50_000.0)
    told: list[float] = []
    render_mosaic(
        (cameras[0], late), TrackBoxes.empty(), tmp_path / "m.mp4", RenderConfig(), VideoConfig(), told.append
    )
    assert len(told) < 80
    assert told[0] == 0.0
    assert 50_000.0 in told
    assert all(np.diff(told) > 0)


def test_a_camera_that_cannot_be_read_keeps_a_dark_tile(cameras: tuple[Camera, Camera], tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("no video")
    broken = plain_camera("x", tmp_path / "x.mp4")
    faults = render_mosaic((broken, *cameras), TrackBoxes.empty(), tmp_path / "m.mp4", RenderConfig(), VideoConfig())
    assert list(faults) == ["x"]
    assert "a text file" in faults["x"]
    image = read(tmp_path / "m.mp4")[1][0]
    assert np.median(image[: image.shape[0] // 3, : image.shape[1] // 3]) < 40
    with pytest.raises(VideoError, match="at least one camera"):
        render_mosaic((broken,), TrackBoxes.empty(), tmp_path / "n.mp4", RenderConfig(), VideoConfig())
    with pytest.raises(VideoError, match="at least one camera"):
        render_mosaic((), TrackBoxes.empty(), tmp_path / "n.mp4", RenderConfig(), VideoConfig())
    assert not (tmp_path / "n.mp4").exists()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_grids_of_any_number(cameras: tuple[Camera, Camera], tmp_path: Path, count: int) -> None:
    many = [replace(cameras[0], camera_id=f"c{i}") for i in range(count)]
    config = RenderConfig(mosaic_width_px=640, mosaic_rate_hz=1.0)
    render_mosaic(many, TrackBoxes.empty(), tmp_path / "m.mp4", config, VideoConfig())
    image = read(tmp_path / "m.mp4")[1][0]
    columns = math.ceil(math.sqrt(count))
    tile = (640 // columns - 2) // 2 * 2
    assert image.shape[1] == columns * (tile + 2)
    for place in range(count):
        top = place // columns * (round(tile * HEIGHT / WIDTH / 2) * 2 + 2)
        left = place % columns * (tile + 2)
        assert abs(int(np.median(image[top + 30 : top + 60, left + 5 : left + tile - 5])) - 128) < 6


def test_clock_text() -> None:
    cases = {0.0: "0:00:00.0", 59.96: "0:01:00.0", 3661.25: "1:01:01.2", -1.5: "-0:00:01.5", -0.01: "0:00:00.0"}
    assert {time_s: drawing.clock_text(time_s) for time_s in cases} == cases


def test_drawing_survives_boxes_outside_and_strange_names() -> None:
    image = np.full((40, 60, 3), 128, np.uint8)
    for box in ([-50, -50, -10, -10], [50, 30, 500, 400], [1e9, 0, 2e9, 5], [10, 10, 10, 10]):
        drawing.draw_vehicle(image, np.array(box, float), 3, True)
    drawing.put_label(image, "Straße 東\n", (55, 39), (255, 255, 255), 12)
    assert image.shape == (40, 60, 3)


@pytest.mark.parametrize("bad", [{"mosaic_rate_hz": 0.0}, {"hold_s": -1.0}, {"max_width_px": 3}])
def test_settings_are_checked(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="render"):
        RenderConfig(**bad)  # type: ignore[arg-type]
