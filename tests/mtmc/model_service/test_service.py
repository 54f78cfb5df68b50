"""The service in a process of its own: the same answers as the networks give here, whatever shares their batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import MtmcError
from mtmc.model_service import clients
from mtmc.model_service.clients import ServiceAddress, ServiceError, SharedDetector, SharedEmbedder
from mtmc.model_service.starting import running_service
from tests.mtmc.model_service.fakes import KILLER, POISON, FakeEmbedder, FakeModels, box_of


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service") / "calls"


@pytest.fixture(scope="module")
def address(log: Path) -> Iterator[ServiceAddress]:
    with running_service(FakeModels(log), detects=True, embeds=True) as running:
        yield running


def pictures(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    images = [rng.integers(0, 256, (int(rng.integers(1, 60)), int(rng.integers(1, 60)), 3), np.uint8)
              for _ in range(count)]  # fmt: skip
    for image in images:
        image.flat[0] = 0
    return images


def at_once(jobs: list[Callable[[], None]]) -> None:
    """Run all in threads; a failure of any is a failure here."""
    failures: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures


def as_bytes(detections: list) -> list[tuple[bytes, bytes, bytes]]:  # type: ignore[type-arg]
    return [(d.boxes_xyxy.tobytes(), d.scores.tobytes(), d.class_ids.tobytes()) for d in detections]


def test_many_cameras_at_once_get_their_own_answers_byte_for_byte(address: ServiceAddress, log: Path) -> None:
    """Six cameras ask for boxes and vectors of random numbers of pictures of random sizes."""

    def camera(seed: int) -> None:
        rng = np.random.default_rng(seed)
        detector, embedder = SharedDetector(address), SharedEmbedder(address)
        for _ in range(15):
            images = pictures(rng, int(rng.integers(0, 5)))
            indices, times_s = rng.integers(0, 999, len(images)).tolist(), rng.random(len(images)).tolist()
            expected = [box_of(*row) for row in zip(images, indices, times_s, strict=True)]
            assert as_bytes(detector.detect(images, indices, times_s)) == as_bytes(expected)
            crops = pictures(rng, int(rng.integers(0, 14)))
            assert embedder.embed(crops).tobytes() == FakeEmbedder().embed(crops).tobytes()

    at_once([lambda seed=seed: camera(seed) for seed in range(6)])  # type: ignore[misc]
    assert max(int(line) for line in log.read_text().split()) == 4  # what several ask for goes together


def test_what_clients_are_told(address: ServiceAddress) -> None:
    detector, embedder = SharedDetector(address), SharedEmbedder(address)
    assert (detector.name, detector.batch_size, detector.stateful) == ("fake", 4, False)
    assert (embedder.dimension, embedder.input_hw, embedder.batch_size) == (6, (8, 8), 5)
    assert embedder.embed([]).shape == (0, 6)


def test_a_picture_that_fails_is_its_cameras_trouble_alone(address: ServiceAddress) -> None:
    rng = np.random.default_rng(1)
    bad = pictures(rng, 1)
    bad[0].flat[0] = POISON

    def victim() -> None:
        images = pictures(np.random.default_rng(2), 3)
        detector = SharedDetector(address)
        for _ in range(40):
            assert len(detector.detect(images, [0, 1, 2], [0.0] * 3)) == 3

    def culprit() -> None:
        detector = SharedDetector(address)
        for _ in range(40):
            with pytest.raises(ServiceError, match="a picture: expected no poison, found poison"):
                detector.detect(bad, [0], [0.0])

    at_once([victim, culprit])


def test_a_service_that_dies_is_started_again(address: ServiceAddress) -> None:
    rng = np.random.default_rng(3)
    detector, culprit = SharedDetector(address), SharedDetector(address)
    bad = pictures(rng, 1)
    bad[0].flat[0] = KILLER
    with pytest.raises(ServiceError, match="died, twice"):
        culprit.detect(bad, [0], [0.0])
    images = pictures(rng, 2)
    assert as_bytes(detector.detect(images, [4, 5], [1.0, 2.0])) == as_bytes(
        [box_of(images[0], 4, 1.0), box_of(images[1], 5, 2.0)]
    )


@pytest.mark.parametrize(("trouble", "sentence", "code"), [
    ("missing", r"w\.onnx: expected a weights file, found nothing there", 2),
    ("broken", "RuntimeError: CUDA driver version is insufficient", 3),
])  # fmt: skip
def test_networks_that_cannot_be_loaded_are_every_clients_answer(trouble: str, sentence: str, code: int) -> None:
    with running_service(FakeModels(trouble=trouble), detects=True, embeds=True) as address:
        for make in (SharedDetector, SharedEmbedder):
            with pytest.raises(MtmcError, match=sentence) as caught:
                make(address)
            assert caught.value.exit_code == code


def test_a_camera_that_dies_with_its_question_open_is_not_waited_for(address: ServiceAddress) -> None:
    rng = np.random.default_rng(4)
    detector = SharedDetector(address)
    for _ in range(5):
        gone, images = SharedDetector(address), pictures(rng, 3)
        line = gone._line
        assert line._connection is not None
        line._connection.send((line._block.place(images), [0, 1, 2], [0.0] * 3))
        line._connection.close()
        line._block.close()
        own = pictures(rng, 1)
        assert as_bytes(detector.detect(own, [7], [0.7])) == as_bytes([box_of(own[0], 7, 0.7)])


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_CONNECT_S", 0.3)
    start = time.monotonic()
    with pytest.raises(ServiceError, match="does not answer"):
        SharedDetector(ServiceAddress(str(tmp_path / "socket"), b"x", True, True))
    assert time.monotonic() - start < 5
