"""One picture of one camera, and how a decoder's picture becomes RGB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture. index: 0-based among the pictures decoded from its file. time_s: common clock, strictly
    rising. image: uint8 (H, W, 3) RGB as displayed (rotation applied), the same size all through a file.
    damaged: the decoder says that parts are made up (it does not notice all damage)."""

    camera_id: str
    index: int
    time_s: float
    image: np.ndarray
    damaged: bool = False


class DecodedFrame(Frame):
    """A frame whose picture is converted when it is first looked at: many steps look at few frames."""

    def __init__(self, camera_id: str, index: int, time_s: float, damaged: bool,
                 convert: Callable[[], np.ndarray]) -> None:
        values = {"camera_id": camera_id, "index": index, "time_s": time_s, "damaged": damaged, "_convert": convert}
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        convert = self.__dict__.pop("_convert", None) if name == "image" else None
        if convert is None:
            raise AttributeError(name)
        image = self.__dict__["image"] = convert()
        return image

    def __reduce__(self) -> tuple[Any, ...]:
        return Frame, (self.camera_id, self.index, self.time_s, self.image, self.damaged)


def quarter_turns(picture: Any) -> int:
    """Quarter turns counter-clockwise (0 to 3) that a PyAV picture asks to be displayed with; a rotation that is not
    a multiple of 90° is not applied."""
    turns, rest = divmod(round(picture.rotation), 90)
    return 0 if rest else turns % 4


def displayed_size_wh(picture: Any) -> tuple[int, int]:
    """Width and height after rotation."""
    size = picture.width, picture.height
    return (size[1], size[0]) if quarter_turns(picture) % 2 else size


def to_rgb(picture: Any, size_wh: tuple[int, int]) -> np.ndarray:
    """uint8 (H, W, 3) RGB of a PyAV picture as displayed, scaled to `size_wh`.

    swscale, told to use one thread, knows every colour space, range, bit depth and odd size, and is no slower than
    `cv2.cvtColor`, which knows one (benchmarks/decode.py).
    """
    turns = quarter_turns(picture)
    width, height = size_wh if turns % 2 == 0 else (size_wh[1], size_wh[0])
    image = picture.reformat(width=width, height=height, format="rgb24", threads=1).to_ndarray()
    return np.ascontiguousarray(np.rot90(image, turns) if turns else image)
