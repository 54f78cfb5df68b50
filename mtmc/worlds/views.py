"""What a made-up camera sees of its street: where it stands, how it looks at the road, in what light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LANE_M, PARKING_M = 3.2, 2.3
_FARTHEST_M = 62.0  # a car is about 15 pixels high there: the end of what a detector can be asked for


@dataclass(frozen=True)
class Light:
    """sun: unit vector towards it in the camera's world axes. direct, ambient: strengths. shadow: how dark, 0 to 1.
    sky_high, sky_low: RGB of the sky above and at the horizon."""

    sun: tuple[float, float, float]
    direct: float
    ambient: float
    shadow: float
    sky_high: tuple[float, float, float]
    sky_low: tuple[float, float, float]


@dataclass(frozen=True)
class Grading:
    """What the camera does to its picture. gains: red, green, blue. gamma; saturation; noise: standard deviation in
    grey levels. blur_px: of the lens. drift: how far the exposure wanders. quality: x264's rate factor."""

    gains: tuple[float, float, float]
    gamma: float
    saturation: float
    noise: float
    blur_px: float
    drift: float
    quality: int


@dataclass(frozen=True)
class View:
    """A pinhole camera above the ground and the straight road in front of it.

    World axes: x to the right, y ahead, z up, the camera at (0, 0, height_m), turned down by pitch. The road runs in
    direction (sin yaw, cos yaw) through `origin`; its own coordinates are (a, s): metres to the right of the middle
    and along. Vehicles of direction +1 drive towards larger s on the right side, the others come back on the left.
    begin_s, end_s: the stretch that a passage from 0 to 1 covers. two_way: whether both halves are used, with a green
    strip of median_m between them.
    """

    size_wh: tuple[int, int]
    focal_px: float
    height_m: float
    pitch_rad: float
    yaw_rad: float
    origin: tuple[float, float]
    lanes: int
    two_way: bool
    median_m: float
    begin_s: float
    end_s: float
    style: str
    light: Light
    grading: Grading

    @property
    def half_width_m(self) -> float:
        """From the middle of the road to the kerb."""
        return _half_width_m(self.lanes, self.two_way, self.median_m)

    @property
    def eye(self) -> tuple[float, float]:
        """Road coordinates (a, s) of the camera."""
        x, y = -self.origin[0], -self.origin[1]
        sin, cos = np.sin(self.yaw_rad), np.cos(self.yaw_rad)
        return float(x * cos - y * sin), float(x * sin + y * cos)

    def lane_a(self, lane: int, direction: int) -> float:
        """Lateral place of a lane's middle; lane -1 is the parking strip."""
        if not self.two_way:
            direction = 1
        edge = self.half_width_m - PARKING_M
        place = edge + PARKING_M / 2 if lane < 0 else edge - (lane + 0.5) * LANE_M
        return place * direction

    def world(self, a: np.ndarray | float, s: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
        """Road coordinates → world, (..., 3)."""
        sin, cos = np.sin(self.yaw_rad), np.cos(self.yaw_rad)
        x = self.origin[0] + a * cos + s * sin
        y = self.origin[1] - a * sin + s * cos
        return np.stack(np.broadcast_arrays(x, y, z), axis=-1)

    def image(self, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (..., 3) → pixels (..., 2) and depths (...,); pixels are meaningless for depths <= 0."""
        sin, cos = np.sin(self.pitch_rad), np.cos(self.pitch_rad)
        x, y, z = world[..., 0], world[..., 1], world[..., 2] - self.height_m
        depth = y * cos - z * sin
        down = -y * sin - z * cos
        safe = np.where(depth > 1e-3, depth, 1e-3)
        u = self.size_wh[0] / 2 + self.focal_px * x / safe
        v = self.size_wh[1] / 2 + self.focal_px * down / safe
        return np.stack([u, v], axis=-1), depth

    def ground(self, u: np.ndarray | float, v: np.ndarray | float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels → road coordinates (a, s) and distance in metres of the ground seen there (infinite above)."""
        sin, cos = np.sin(self.pitch_rad), np.cos(self.pitch_rad)
        right, down = (u - self.size_wh[0] / 2) / self.focal_px, (v - self.size_wh[1] / 2) / self.focal_px
        falls = sin + down * cos
        depth = np.where(falls > 1e-4, self.height_m / np.where(falls > 1e-4, falls, 1.0), np.inf)
        with np.errstate(invalid="ignore"):
            x, y = right * depth - self.origin[0], (cos - down * sin) * depth - self.origin[1]
        road_sin, road_cos = np.sin(self.yaw_rad), np.cos(self.yaw_rad)
        return x * road_cos - y * road_sin, x * road_sin + y * road_cos, depth


def _half_width_m(lanes: int, two_way: bool, median_m: float) -> float:
    return (lanes * LANE_M + median_m / 2 if two_way else lanes * LANE_M / 2) + PARKING_M


def view_of(world_seed: int, row: int, lanes: int, two_way: bool, size_wh: tuple[int, int] = (640, 360),
            median_m: float = 0.0) -> View:
    """The view of camera `row` of a world. Neighbouring cameras look in different ways in different light."""
    rng = np.random.default_rng([world_seed, 7003, row])
    turn = int(np.random.default_rng([world_seed, 7004]).integers(4))
    style = ("corner", "gantry", "pavement", "gantry")[(row + turn) % 4]
    side = 1.0 if rng.random() < 0.5 else -1.0
    half = _half_width_m(lanes, two_way, median_m)
    if style == "gantry":
        field, height, yaw = rng.uniform(58, 66), rng.uniform(7.5, 9.5), side * rng.uniform(2, 14)
        away = -side * rng.uniform(0.0, 0.8) * half
    elif style == "corner":
        field, height, yaw = rng.uniform(62, 68), rng.uniform(7.6, 9.0), side * rng.uniform(38, 48)
        away = half + rng.uniform(4.0, 6.0)
    else:
        field, height, yaw = rng.uniform(74, 82), rng.uniform(7.0, 8.4), side * rng.uniform(54, 66)
        away = half + rng.uniform(8.0, 10.0)
    focal = size_wh[0] / 2 / np.tan(np.radians(field / 2))
    fall = np.arctan(size_wh[1] / 2 / focal)
    if style == "gantry":
        pitch = np.arctan(height / rng.uniform(46.0, 54.0)) + fall
        origin = (away, 0.0)
    else:
        pitch = fall * rng.uniform(0.72, 0.88)
        origin = (0.0, away / np.sin(abs(np.radians(yaw))))
    light, grading = _light(rng, row + turn), _grading(rng)
    draft = View(size_wh, float(focal), float(height), float(pitch), float(np.radians(yaw)), origin, lanes, two_way,
                 median_m, 0.0, 1.0, style, light, grading)
    begin_s, end_s = _stretch(draft)
    return View(**{**vars(draft), "begin_s": begin_s, "end_s": end_s})


def _stretch(view: View) -> tuple[float, float]:
    """The part of the middle of the road that lies in the picture and is not too far away."""
    s = np.arange(-90.0, 120.0, 0.25)
    pixels, depth = view.image(view.world(np.zeros_like(s), s, np.full_like(s, 0.7)))
    inside = (depth > 2.0) & (depth < _FARTHEST_M)
    inside &= (pixels >= 0).all(axis=-1) & (pixels <= np.array(view.size_wh)).all(axis=-1)
    seen = s[inside]
    return float(seen.min()), float(seen.max())


def _light(rng: np.random.Generator, turn: int) -> Light:
    """Sun, thin cloud, overcast or evening, in turn."""
    kind = ("sun", "cloud", "evening", "sun", "overcast")[turn % 5]
    azimuth = -np.pi / 2 + rng.uniform(-1.25, 1.25)  # behind the camera, as whoever hung it up will have chosen
    high = {"sun": (54, 68), "cloud": (48, 64), "overcast": (60, 75), "evening": (38, 46)}[kind]
    elevation = np.radians(rng.uniform(*high))
    sun = (float(np.cos(elevation) * np.cos(azimuth)), float(np.cos(elevation) * np.sin(azimuth)),
           float(np.sin(elevation)))
    direct, ambient, shadow = {"sun": (0.60, 0.66, 0.38), "cloud": (0.36, 0.78, 0.24), "overcast": (0.10, 0.95, 0.10),
                               "evening": (0.62, 0.60, 0.36)}[kind]
    high_sky, low_sky = {"sun": ((96, 146, 204), (196, 214, 230)), "cloud": ((142, 166, 192), (208, 214, 220)),
                         "overcast": ((176, 182, 188), (212, 214, 216)),
                         "evening": ((106, 132, 178), (238, 206, 170))}[kind]
    return Light(sun, direct, ambient, shadow, high_sky, low_sky)


def _grading(rng: np.random.Generator) -> Grading:
    warm = float(rng.uniform(-0.06, 0.06))
    green = float(rng.uniform(-0.02, 0.02))
    exposure = float(rng.uniform(0.98, 1.16))
    return Grading((exposure * (1 + warm), exposure * (1 + green), exposure * (1 - warm)),
                   float(rng.uniform(0.86, 1.08)), float(rng.uniform(0.8, 1.15)), float(rng.uniform(0.8, 1.9)),
                   float(rng.uniform(0.0, 0.55)), float(rng.uniform(0.01, 0.03)), int(rng.integers(22, 27)))
