"""What happened to every detection and every piece of track, so that nothing is lost uncounted."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class CutCounts:
    """Detections of one camera, from the detector to the pieces that the cutter closed.

    detections = in_pieces + unconfirmed (no track took them) + outside_roi + outliers (boxes that are not
    the track's vehicle). backfilled counts those of in_pieces that came before confirmation;
    interpolated the frames added without a detection. pieces: closed; without_crop: those of them that had
    no usable picture.
    """

    detections: int = 0
    in_pieces: int = 0
    unconfirmed: int = 0
    outside_roi: int = 0
    outliers: int = 0
    backfilled: int = 0
    interpolated: int = 0
    pieces: int = 0
    without_crop: int = 0

    def plus(self, **more: int) -> CutCounts:
        """A copy with each named counter raised."""
        return replace(self, **{name: getattr(self, name) + value for name, value in more.items()})

    def balanced(self) -> bool:
        """Whether the detections add up (true once the cutter has finished)."""
        return self.detections == self.in_pieces + self.unconfirmed + self.outside_roi + self.outliers


@dataclass(frozen=True)
class JoinCounts:
    """Pieces of one camera, from the cutter to the tracklets that are kept.

    pieces = kept + joined (became part of an earlier piece's tracklet) + too_short + static + part (of another
    vehicle) + without_crop.
    """

    pieces: int = 0
    kept: int = 0
    joined: int = 0
    too_short: int = 0
    static: int = 0
    part: int = 0
    without_crop: int = 0

    def balanced(self) -> bool:
        """Whether the pieces add up."""
        return self.pieces == sum(getattr(self, field.name) for field in fields(self)) - self.pieces
