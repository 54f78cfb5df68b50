"""The rectangle that a region needs, and boxes found in it, put back into the whole picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.adaptive_stride import AdaptiveStride
from detectors.detections import Detections
from detectors.region import Rectangle, RegionConfig, RegionDetector, rectangle_of
from detectors.registry import DetectorConfig, ResolvedDetector, for_camera
from mtmc.errors import ConfigError, InputError

NONE = np.zeros((0, 0), bool)


class FindsWhite:
    """One box around all white pixels; notes the sizes that it was shown."""

    name, fingerprint, stateful, batch_size = "white", "white", False, 4

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def for_camera(self, camera_id: str) -> FindsWhite:
        return self

    def detect(self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int],
               times_s: Sequence[float]) -> list[Detections]:
        self.shown += [image.shape for image in images_rgb]
        return [white(image) for image in images_rgb]


def white(image: np.ndarray) -> Detections:
    rows, columns = np.nonzero(image.min(axis=2) == 255)
    if not len(rows):
        return Detections.empty()
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return Detections(np.array([box]), np.ones(1), np.array([2]))


def region(height: int, width: int, rows: slice, columns: slice = slice(None)) -> np.ndarray:
    roi = np.zeros((height, width), bool)
    roi[rows, columns] = True
    return roi


def network(config: DetectorConfig, roi: np.ndarray, kind: str = "onnx") -> object:
    return for_camera(FindsWhite(), ResolvedDetector(kind, "", "", ""), config, "c", roi)  # type: ignore[arg-type]


@given(st.data())
def test_the_rectangle_holds_the_region_and_its_margin(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    margin = data.draw(st.sampled_from([0.0, 0.1, 0.5]))
    found = rectangle_of(region(height, width, slice(top, bottom), slice(left, right)), RegionConfig(margin=margin))
    border = int(margin * max(height, width))
    if found is None:
        aligned = 2 * (border + 16)
        assert (bottom - top + aligned) * (right - left + aligned) > 0.9 * height * width
        return
    assert 0 <= found.x1 <= max(0, left - border)
    assert 0 <= found.y1 <= max(0, top - border)
    assert min(width, right + border) <= found.x2 <= width
    assert min(height, bottom + border) <= found.y2 <= height
    assert (found.x1 % 16, found.y1 % 16) == (0, 0)


def test_lower_half() -> None:
    assert rectangle_of(region(540, 960, slice(270, 540)), RegionConfig()) == Rectangle(0, 160, 960, 540)


@pytest.mark.parametrize(("roi", "config"), [
    (NONE, RegionConfig()),
    (np.zeros((90, 160), bool), RegionConfig()),
    (np.ones((90, 160), bool), RegionConfig()),
    (region(90, 160, slice(50, 90)), RegionConfig(crop=False)),
])  # fmt: skip
def test_whole_pictures_stay_whole(roi: np.ndarray, config: RegionConfig) -> None:
    assert rectangle_of(roi, config) is None
    assert isinstance(network(DetectorConfig(region=config), roi), FindsWhite)


def test_boxes_are_those_of_the_whole_picture() -> None:
    image = np.zeros((200, 320, 3), np.uint8)
    image[150:170, 200:240] = 255
    inner = FindsWhite()
    detector = RegionDetector(inner, Rectangle(160, 96, 320, 200), (200, 320)).for_camera("c")
    for count in (0, 1, 3):
        found = detector.detect([image] * count, list(range(count)), [0.1 * i for i in range(count)])
        assert [d.boxes_xyxy.tolist() for d in found] == [white(image).boxes_xyxy.tolist()] * count
    assert set(inner.shown) == {(104, 160, 3)}


def test_what_lies_beyond_is_not_seen() -> None:
    image = np.zeros((200, 320, 3), np.uint8)
    image[:40] = 255
    detector = RegionDetector(FindsWhite(), Rectangle(0, 96, 320, 200), (200, 320))
    assert [len(found) for found in detector.detect([image], [0], [0.0])] == [0]


def test_a_picture_of_another_size_is_named() -> None:
    detector = RegionDetector(FindsWhite(), Rectangle(0, 96, 320, 200), (200, 320))
    with pytest.raises(InputError, match="region of interest"):
        detector.detect([np.zeros((100, 160, 3), np.uint8)], [0], [0.0])


@pytest.mark.parametrize("kind", ["onnx", "ultralytics", "torchvision", "motion", "recorded"])
def test_networks_alone_see_less(kind: str) -> None:
    detector = network(DetectorConfig(), region(200, 320, slice(150, 200)), kind)
    assert isinstance(detector, RegionDetector) == (kind not in ("motion", "recorded"))


def test_a_change_beyond_the_region_asks_no_network() -> None:
    """The stride looks at the rectangle, too."""
    inner = FindsWhite()
    resolved = ResolvedDetector("onnx", "", "", "")
    config = DetectorConfig(stride="adaptive")
    detector = for_camera(inner, resolved, config, "c", region(200, 320, slice(150, 200)))
    assert isinstance(detector, RegionDetector)
    assert not isinstance(detector, AdaptiveStride)
    images = [np.zeros((200, 320, 3), np.uint8) for _ in range(4)]
    images[2][:50] = 200
    images[3][180:] = 200
    detector.detect(images, [0, 1, 2, 3], [0.0, 0.1, 0.2, 0.3])
    assert len(inner.shown) == 2


@pytest.mark.parametrize("settings", [{"margin": -0.1}, {"margin": float("nan")}, {"most": 0}, {"most": 1.5}])
def test_settings_out_of_range(settings: dict) -> None:
    with pytest.raises(ConfigError):
        RegionConfig(**settings)
