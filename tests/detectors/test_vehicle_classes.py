"""Classes by name, and one box a vehicle."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detector_config import DetectorConfig
from detectors.letterbox import Letterbox
from detectors.vehicle_classes import COCO_NAMES, Candidates, VehicleClasses, best_classes, select_vehicles
from mtmc.errors import WeightsError

COCO = VehicleClasses.from_names(dict(enumerate(COCO_NAMES)), "coco")
SAME = Letterbox(1.0, 1.0, 0, 0)
CAR, BUS, TRUCK, PERSON = 2, 5, 7, 0


def candidates(*rows: tuple[list[float], float, int]) -> Candidates:
    boxes, scores, numbers = zip(*rows, strict=True)
    return Candidates(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(numbers))


def test_coco_vehicles_keep_their_ids() -> None:
    assert {n: int(i) for n, i in enumerate(COCO.ids) if i >= 0} == {2: 2, 3: 3, 5: 5, 7: 7}


def test_names_of_other_data_sets() -> None:
    classes = VehicleClasses.from_names({0: "Pedestrian", 1: "Van", 3: "vehicle", 4: "Motor"}, "x")
    assert classes.ids.tolist() == [-1, 2, -1, 0, 3]


@pytest.mark.parametrize("names", [{}, {0: "person", 1: "dog"}, {0: "0", 1: "1"}])
def test_no_vehicle_among_the_classes(names: dict[int, str]) -> None:
    with pytest.raises(WeightsError, match="vehicle classes"):
        VehicleClasses.from_names(names, "x.onnx")


def test_a_vehicle_is_never_a_car_and_a_truck() -> None:
    found = candidates(([10, 10, 50, 50], 0.5, TRUCK), ([11, 10, 50, 51], 0.6, CAR), ([60, 60, 90, 90], 0.4, BUS))
    kept = select_vehicles(found, SAME, COCO, DetectorConfig(), (100, 100))
    assert kept.class_ids.tolist() == [CAR, BUS]
    np.testing.assert_allclose(kept.scores, [0.6, 0.4])


def test_what_is_no_vehicle_neither_stays_nor_suppresses() -> None:
    found = candidates(([10, 10, 50, 50], 0.9, PERSON), ([10, 10, 50, 50], 0.3, CAR), ([5, 5, 9, 9], 0.05, CAR),
                       ([10, 60, 50, 90], 0.9, 99))
    kept = select_vehicles(found, SAME, COCO, DetectorConfig(), (100, 100))
    assert kept.class_ids.tolist() == [CAR]


def test_boxes_come_back_through_the_letterbox_and_are_cut() -> None:
    found = candidates(([20, 40, 120, 90], 0.9, CAR), ([-50, -50, -10, -10], 0.9, CAR), ([0, 0, np.nan, 9], 0.9, CAR))
    kept = select_vehicles(found, Letterbox(0.5, 0.5, 10, 20), COCO, DetectorConfig(), (100, 200, 3))
    assert kept.boxes_xyxy.tolist() == [[20, 40, 200, 100]]


def test_people_hide_vehicles_and_kites_do_not() -> None:
    scores = np.zeros((3, 80))
    scores[0, [PERSON, 3]] = [0.6, 0.5]
    scores[1, [COCO_NAMES.index("kite"), CAR]] = [0.6, 0.5]
    scores[2, [PERSON, 3]] = [0.5, 0.6]
    found = best_classes(np.zeros((3, 4)), scores, COCO)
    assert found.class_numbers.tolist() == [PERSON, CAR, 3]
    np.testing.assert_allclose(found.scores, [0.6, 0.5, 0.6])


def test_no_candidates() -> None:
    nothing = best_classes(np.zeros((0, 4)), np.zeros((0, 80)), COCO)
    assert len(select_vehicles(nothing, SAME, COCO, DetectorConfig(), (9, 9))) == 0
