"""What a user says of the cameras in `cameras.yaml`; the user's word always wins over what is learned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TransitRule:
    """One directed pair of cameras. allowed: whether vehicles pass at all. min_s, max_s: bounds of the travel
    time, start in `camera_to` - end in `camera_from` (may be negative where views overlap)."""

    camera_from: str
    camera_to: str
    allowed: bool
    min_s: float
    max_s: float


@dataclass(frozen=True)
class CameraRules:
    """All rules of a run. only_listed: True where pairs without a rule are forbidden (else they are open)."""

    transitions: tuple[TransitRule, ...] = ()
    only_listed: bool = False

    def rule(self, camera_from: str, camera_to: str) -> TransitRule | None:
        """The rule of one directed pair, or None where the user said nothing of it."""
        for transit in self.transitions:
            if (transit.camera_from, transit.camera_to) == (camera_from, camera_to):
                return transit
        return None
