"""From pixels to metres on the ground, where a data set brings homographies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtmc.cameras import Camera

_METRES_PER_DEGREE = 111_320.0  # of latitude; of longitude at the equator


def ground_points_m(cameras: Sequence[Camera], camera_rows: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray:
    """(M, 2) metres east and north of a common origin: where the middle of each box's lower edge stands.

    camera_rows: int64 (M,), index into `cameras`. NaN where a camera has no homography. CityFlow's
    homographies take (latitude, longitude) in degrees to pixels (mtmc_peers.md 5.1); the origin is the mean of
    all points, which is enough for distances inside a town.
    """
    degrees = np.full((len(camera_rows), 2), np.nan)
    for row, camera in enumerate(cameras):
        mine = np.flatnonzero(camera_rows == row)
        if len(mine) and np.any(camera.homography) and abs(np.linalg.det(camera.homography)) > 0:
            x = (boxes_xyxy[mine, 0] + boxes_xyxy[mine, 2]) / 2.0
            pixels = np.column_stack([x, boxes_xyxy[mine, 3], np.ones(len(mine))])
            points = pixels @ np.linalg.inv(camera.homography).T
            with np.errstate(divide="ignore", invalid="ignore"):
                degrees[mine] = points[:, :2] / points[:, 2:3]
    known = np.isfinite(degrees).all(axis=1)
    degrees[~known] = np.nan
    if not known.any():
        return degrees
    origin = degrees[known].mean(axis=0)
    north = (degrees[:, 0] - origin[0]) * _METRES_PER_DEGREE
    east = (degrees[:, 1] - origin[1]) * _METRES_PER_DEGREE * np.cos(np.radians(origin[0]))
    return np.column_stack([east, north])
