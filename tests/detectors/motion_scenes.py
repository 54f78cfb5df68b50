"""Streets made in code for the motion detector: a road with grain and markings, vehicles, their shadows, the light.

    for time_s, image, boxes in street([car(lambda t: (60 * t, 90))], seconds=6): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detectors.boxes import iou_matrix
from detectors.motion import MotionConfig, MotionDetector

HW = (216, 384)
Path = Callable[[float], tuple[float, float] | None]  # seconds → left, top; None = not there
Shown = tuple[float, np.ndarray, np.ndarray]  # time_s, image, boxes_xyxy in it


@dataclass(frozen=True)
class Car:
    path: Path
    colour: tuple[int, int, int]
    size_hw: tuple[int, int]


def car(path: Path, colour: tuple[int, int, int] = (160, 40, 40), size_hw: tuple[int, int] = (30, 54)) -> Car:
    return Car(path, colour, size_hw)


def straight(x: float, y: float, speed_x: float, speed_y: float = 0.0, start_s: float = 0.0) -> Path:
    return lambda t: (x + speed_x * (t - start_s), y + speed_y * (t - start_s)) if t >= start_s else None


def street(
    cars: Sequence[Car] = (), seconds: float = 8.0, fps: float = 10.0, noise: float = 1.5,
    light: Callable[[float], float] = lambda t: 1.0, shadow_px: int = 0, tremble_px: float = 0.0,
    leaves: bool = False, hw: tuple[int, int] = HW,
) -> Iterator[Shown]:  # fmt: skip
    """Frames of a street. A car counts once a third of it is in the picture. light(t): the camera's exposure."""
    rng = np.random.default_rng(7)
    road = _road(rng, hw)
    paint = [_paint(rng, c) for c in cars]
    foliage = np.clip(rng.normal(80, 40, (60, 90, 1)) + np.array([-20, 20, -20]), 0, 255)
    for index in range(round(seconds * fps)):
        t = index / fps
        image = road.copy()
        places = [c.path(t) for c in cars]
        if shadow_px:
            image *= _shadows(cars, places, shadow_px, hw)[..., None]
        if leaves:
            sway = int(5 * np.sin(t * 5) + 4 * np.sin(t * 13.7))
            image[10:70, 280 + sway:370 + sway] = foliage
        boxes = [_put(image, texture, place) for texture, place in zip(paint, places, strict=True) if place]
        if tremble_px:
            dx, dy = rng.uniform(-tremble_px, tremble_px, 2)
            move = np.array([[1, 0, dx], [0, 1, dy]])
            image = cv2.warpAffine(image, move, hw[::-1], borderMode=cv2.BORDER_REPLICATE)
        image = image * light(t) + rng.normal(0, noise, image.shape)
        yield t, np.clip(image, 0, 255).astype(np.uint8), np.array([b for b in boxes if b]).reshape(-1, 4)


def compressed(shown: Iterable[Shown], crf: int = 32) -> Iterator[Shown]:
    """The same frames after H.264."""
    import io

    import av

    frames = list(shown)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width = frames[0][1].shape[:2]
        stream.pix_fmt = "yuv420p"
        for _, image, _ in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        for (t, _, boxes), frame in zip(frames, container.decode(video=0), strict=True):
            yield t, frame.to_ndarray(format="rgb24"), boxes


@dataclass(frozen=True)
class Score:
    recall: float
    precision: float
    boxes: int


def score(shown: Iterable[Shown], config: MotionConfig | None = None, after_s: float = 0.0) -> Score:
    """Recall and precision at an IoU of 0.5, over frames after `after_s`; 1 where nothing was to be found."""
    detector = MotionDetector(config).for_camera("c")
    hits = truths = found = 0
    for index, (t, image, boxes) in enumerate(shown):
        detections = detector.detect([image], [index], [t])[0]
        if t < after_s:
            continue
        good = iou_matrix(boxes, detections.boxes_xyxy) >= 0.5
        hits += min(int(good.any(axis=1).sum()), int(good.any(axis=0).sum()))
        truths += len(boxes)
        found += len(detections)
    return Score(hits / truths if truths else 1.0, hits / found if found else 1.0, found)


def _road(rng: np.random.Generator, hw: tuple[int, int]) -> np.ndarray:
    height, width = hw
    grain = cv2.GaussianBlur(rng.normal(0, 8, hw), (0, 0), 1) + cv2.GaussianBlur(rng.normal(0, 60, hw), (0, 0), 15)
    road = np.repeat((120 + grain)[..., None], 3, axis=2) + np.array([0.0, 2.0, 5.0])
    for y in (height // 3, 2 * height // 3):
        for x in range(0, width, 40):
            road[y:y + 3, x:x + 20] = 210
    return road


def _paint(rng: np.random.Generator, c: Car) -> np.ndarray:
    h, w = c.size_hw
    body = np.zeros((h, w, 3)) + c.colour
    body[h // 6:-(h // 6), w // 5:2 * w // 5] = 45
    body[h // 6:-(h // 6), 3 * w // 5:4 * w // 5] = 50
    body[:, :2] = 30
    body[h // 3:-(h // 3), -3:] = (220, 220, 200)
    return np.clip(body + cv2.GaussianBlur(rng.normal(0, 20, (h, w)), (0, 0), 1.2)[..., None], 0, 255)


def _shadows(
    cars: Sequence[Car], places: Sequence[tuple[float, float] | None], length: int, hw: tuple[int, int]
) -> np.ndarray:
    light = np.ones(hw)
    for c, place in zip(cars, places, strict=True):
        if place:
            (h, w), (x, y) = c.size_hw, place
            near, far = length // 2, length
            corners = [(x + near, y + h * 0.3), (x + w + near, y + h * 0.3), (x + w + far, y + h + far),
                       (x + far, y + h + far)]
            cv2.fillConvexPoly(light, np.rint(corners).astype(np.int32), 0.5)
    return cv2.GaussianBlur(light, (0, 0), 1)


def _put(image: np.ndarray, texture: np.ndarray, place: tuple[float, float]) -> tuple[float, ...]:
    """Draw a car; its box, or nothing where less than a third of it is in the picture."""
    (h, w), (x, y) = texture.shape[:2], (round(place[0]), round(place[1]))
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, image.shape[1]), min(y + h, image.shape[0])
    if right <= left or bottom <= top:
        return ()
    image[top:bottom, left:right] = texture[top - y:bottom - y, left - x:right - x]
    enough = (right - left) * (bottom - top) > h * w / 3
    return (float(left), float(top), float(right), float(bottom)) if enough else ()
