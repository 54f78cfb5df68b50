"""What a score says: frozen counters first, ratios as properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from mtmc.config import did_you_mean
from mtmc.errors import InputError
from mtmc.evaluation.clear import ClearScore
from mtmc.evaluation.hota import HotaScore
from mtmc.evaluation.identity import IdentityScore
from mtmc.evaluation.pair_score import PairScore
from mtmc.evaluation.worst_errors import ScoreError

Mode = Literal["aicity", "sequences", "one-camera"]
MODES: tuple[str, ...] = get_args(Mode)


@dataclass(frozen=True)
class ScoreRules:
    """How a score is counted.

    mode: "aicity" = one set of identities over all cameras, by the rules of the challenge; "sequences" = each
    camera has identities of its own, and counts are summed; "one-camera" = a single camera, whatever the two sides
    call it. drop_single_camera: leave out predicted identities that were seen in one camera only, as the challenge
    does because its truth holds none (aicity only). worst: how many errors the score lists.
    """

    mode: Mode = "aicity"
    drop_single_camera: bool = True
    worst: int = 20

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"mode {self.mode}", " or ".join(MODES), self.mode, did_you_mean(self.mode, MODES))


@dataclass(frozen=True)
class CameraScore:
    """One camera alone: boxes on both sides, identity, CLEAR and HOTA. Identities of a single camera count here."""

    camera_id: str
    truth_boxes: int
    predicted_boxes: int
    identity: IdentityScore
    clear: ClearScore
    hota: HotaScore


@dataclass(frozen=True)
class LeftOut:
    """Boxes that a rule left out before counting."""

    outside_region: int = 0
    repeated: int = 0
    single_camera: int = 0
    camera_not_in_truth: int = 0
    repeated_in_truth: int = 0


class LinkScore(NamedTuple):
    """How well tracklets were linked: identities over all cameras by the challenge's rules, and pairs."""

    identity: IdentityScore
    pairs: PairScore


@dataclass(frozen=True)
class MtmcScore:
    """The result. Counters first; `idf1`, `idp` and `idr` are those of `identity`, the headline.

    truth_boxes, predicted_boxes: what was counted; truth_identities, predicted_identities: whose boxes they are.
    cameras: each camera alone, by name. overall: their counts together (identities separate for each camera).
    pairs: links (zeros where cameras do not share identities). error_counts: kind → number of all errors;
    errors: the worst of them.
    """

    mode: str
    truth_boxes: int
    predicted_boxes: int
    truth_identities: int
    predicted_identities: int
    left_out: LeftOut
    identity: IdentityScore
    pairs: PairScore
    overall: CameraScore
    cameras: tuple[CameraScore, ...]
    error_counts: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[ScoreError, ...] = ()

    @property
    def idf1(self) -> float:
        return self.identity.idf1

    @property
    def idp(self) -> float:
        return self.identity.idp

    @property
    def idr(self) -> float:
        return self.identity.idr
