"""Golden values and checks of seeds_digest G: loss, noise, rates, exact streams, what moves and what stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mtmc.archive.block_codec import EncodingConfig, choose_codes, decode_pictures, encode_pictures
from mtmc.archive.block_networks import BlockCodecConfig, BlockDecoder, BlockEncoder, BlockNetwork, decode, encode
from mtmc.archive.block_training import BlockTrainingConfig, own_blocks, train_network
from mtmc.archive.code_search import search_codes
from mtmc.archive.code_stream import CodedPictures, read_stream, write_stream
from mtmc.archive.codec_file import BlockCodec, load_codec, save_codec
from mtmc.archive.codec_training import CodecTrainingConfig, train_codec
from mtmc.archive.codes import binarise, entropy_friendly_loss, with_noise
from mtmc.archive.deblocking import Deblocker, deblock, train_deblocker
from mtmc.archive.fidelity import block_errors, pooled_error
from mtmc.errors import ConfigError, InputError, IntegrityError, WeightsError

SMALL = BlockCodecConfig(code_bits=(8, 24, 40), filters=(4, 8, 8, 16, 16))
TRAINING = CodecTrainingConfig(
    SMALL, BlockTrainingConfig(epochs=5, batch=32, learning_rate=5e-3, target_psnr=10.0), 1, 64)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def smooth_pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    """Slopes of colour: easy for any codec."""
    r, pictures = np.random.default_rng(seed), []
    for _ in range(count):
        h, w = r.integers(20, 80, 2)
        y, x = np.mgrid[0:h, 0:w]
        planes = [r.integers(40, 200) + r.normal() * y + r.normal() * x for _ in range(3)]
        pictures.append(np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8))
    return pictures


@pytest.fixture(scope="module")
def codec_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("codec") / "codec.safetensors"
    save_codec(path, train_codec(smooth_pictures(4), TRAINING, "slopes"))
    return path


@pytest.fixture(scope="module")
def codec(codec_path: Path) -> BlockCodec:
    return load_codec(codec_path)


@pytest.mark.parametrize(("code", "loss"), [([1, 1, 0, 1], 0.8), ([1, 1, 1, 1], 0.4), ([0, 0, 0, 0], 0.0)])
def test_golden_entropy_friendly_loss(code: list[float], loss: float) -> None:
    assert float(entropy_friendly_loss(torch.tensor([code], dtype=torch.float64))) == pytest.approx(loss, abs=1e-12)


def test_entropy_friendly_loss_is_the_printed_sum() -> None:
    x = np.random.default_rng(0).random((3, 7))
    plain = [(row[0] ** 2 + sum((row[i] - row[i - 1]) ** 2 for i in range(1, 7)) + row[6] ** 2) / 8 for row in x]
    assert float(entropy_friendly_loss(torch.from_numpy(x))) == pytest.approx(np.mean(plain), abs=1e-12)


def test_noise_never_leaves_the_interval_and_reaches_no_farther_than_rounding() -> None:
    codes = torch.rand(1, 100_000, generator=torch.Generator().manual_seed(0))
    noisy = with_noise(codes, torch.Generator().manual_seed(1))
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    assert ((noisy - codes).abs() <= (codes.round() - codes).abs() + 1e-6).all()
    assert (noisy - codes).abs().max() > 0.45
    bits = torch.tensor([[0.0, 1.0]])
    assert torch.equal(with_noise(bits), bits)


def test_a_half_rounds_to_zero() -> None:
    assert binarise(torch.tensor([0.5, 0.50001, 0.49999, 1.0])).tolist() == [0, 1, 0, 1]


def test_golden_rates_of_the_published_lengths() -> None:
    assert [round(bits / 1024, 4) for bits in BlockCodecConfig().code_bits] == [0.0625, 0.2109, 0.3594]
    assert round(2 / 1024, 5) == 0.00195
    assert BlockCodecConfig().code_bits == (64, 216, 368)


def test_the_published_layers() -> None:
    encoder, decoder = BlockEncoder(216, (64, 128, 256, 512, 1024)), BlockDecoder(216, (64, 128, 256, 512, 1024))
    convolutions = [m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [64, 128, 256, 512, 1024, 216]
    assert [m.stride[0] for m in convolutions] == [2, 2, 2, 2, 2, 1]
    up = [m for m in decoder.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [m.out_channels for m in up] == [1024, 512, 256, 128, 64]
    with torch.no_grad():
        codes = encoder(torch.rand(1, 3, 32, 32))
        assert codes.shape == (1, 216)
        assert 0 < codes.min() <= codes.max() < 1
        assert decoder(codes).shape == (1, 3, 32, 32)


def test_the_decoder_sees_directions_only_and_a_code_of_zeros_is_decoded() -> None:
    decoder = BlockDecoder(8, SMALL.filters)
    codes = torch.rand(3, 8)
    with torch.no_grad():
        torch.testing.assert_close(decoder(codes), decoder(codes * 3))
        assert torch.isfinite(decoder(torch.zeros(1, 8))).all()
    zeros = torch.zeros(1, 8, requires_grad=True)
    decoder(zeros).sum().backward()
    assert torch.isfinite(zeros.grad).all()


def test_noise_is_only_in_training() -> None:
    network = BlockNetwork(24, SMALL.filters).eval()
    blocks = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(encode(network, blocks), encode(network, blocks))
    np.testing.assert_array_equal(encode(network, blocks)[3:4], encode(network, blocks[3:4]))
    bits = encode(network, blocks)
    np.testing.assert_array_equal(decode(network, bits)[2:3], decode(network, bits[2:3]))
    assert encode(network, blocks[:0]).shape == (0, 24)
    assert decode(network, bits[:0]).shape == (0, 32, 32, 3)


@pytest.mark.slow
def test_training_lowers_the_error_and_is_repeatable() -> None:
    colours = np.array([[220, 30, 30], [30, 220, 30], [30, 30, 220], [240, 240, 240]])
    blocks = np.tile(colours, (8, 1)).reshape(32, 1, 1, 3).repeat(32, 1).repeat(32, 2).astype(np.uint8)
    errors, states = [], []
    for epochs in (1, 1, 16):
        torch.manual_seed(0)
        network = BlockNetwork(24, SMALL.filters)
        train_network(network, blocks, BlockTrainingConfig(epochs=epochs, batch=8, learning_rate=1e-2))
        errors.append(block_errors(blocks, decode(network, encode(network, blocks))).mean())
        states.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert errors[2] < 0.8 * errors[0]
    assert torch.equal(states[0], states[1])
    with pytest.raises(InputError, match="blocks"):
        train_network(BlockNetwork(8, SMALL.filters), blocks[:0], BlockTrainingConfig())


def test_own_blocks_are_those_above_the_target(codec: BlockCodec) -> None:
    blocks = np.concatenate([np.full((1, 32, 32, 3), 120, np.uint8),
                             np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)])
    assert own_blocks(codec.networks[2], blocks, 15.0).tolist() == [True, False]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_stream_gives_every_bit_back(codec: BlockCodec, count: int) -> None:
    pictures = smooth_pictures(count, seed=9)
    data = encode_pictures(codec, pictures, EncodingConfig(30.0))
    held = read_stream(data, codec.changes, codec.digest)
    assert write_stream(held, codec.changes, codec.digest) == data
    assert held.shapes_hw.tolist() == [list(p.shape[:2]) for p in pictures]
    decoded = decode_pictures(codec, data)
    assert [p.shape for p in decoded] == [p.shape for p in pictures]
    assert all(np.array_equal(a, b) for a, b in zip(decoded, decode_pictures(codec, data), strict=True))


@pytest.mark.parametrize("blocks", [0, 1, 300])
def test_any_codes_come_back(codec: BlockCodec, blocks: int) -> None:
    r = np.random.default_rng(blocks)
    chosen = r.integers(0, 3, blocks)
    codes = tuple(r.integers(0, 2, SMALL.code_bits[i]).astype(np.uint8) for i in chosen)
    shapes = np.tile([32, 32], (blocks, 1))
    data = write_stream(CodedPictures(shapes, chosen, codes), codec.changes, codec.digest)
    found = read_stream(data, codec.changes, codec.digest)
    assert found.chosen.tolist() == chosen.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(found.codes, codes, strict=True))


def test_pictures_without_pixels_and_with_one(codec: BlockCodec) -> None:
    pictures = [np.zeros((0, 0, 3), np.uint8), np.full((1, 1, 3), 90, np.uint8), np.zeros((5, 0, 3), np.uint8)]
    assert [p.shape for p in decode_pictures(codec, encode_pictures(codec, pictures))] == [p.shape for p in pictures]


def test_a_changed_stream_and_another_codec_are_refused(codec: BlockCodec) -> None:
    data = encode_pictures(codec, smooth_pictures(3))
    for place in range(0, len(data), 7):
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises(IntegrityError):
            decode_pictures(codec, bytes(broken))
    for cut in (0, 5, 30, len(data) - 1):
        with pytest.raises(IntegrityError):
            decode_pictures(codec, data[:cut])
    with pytest.raises(IntegrityError, match="codec"):
        read_stream(data, codec.changes, bytes(16))


def test_the_cheapest_network_that_meets_the_target_is_taken(codec: BlockCodec) -> None:
    blocks = np.concatenate([np.full((1, 32, 32, 3), 120, np.uint8),
                             np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)])
    assert choose_codes(codec, blocks, EncodingConfig(1.0))[0].tolist() == [0, 0]
    chosen, codes = choose_codes(codec, blocks, EncodingConfig(99.0))
    assert chosen.tolist() == [2, 2]
    assert [len(code) for code in codes] == [40, 40]
    for target in (12.0, 20.0):
        chosen, codes = choose_codes(codec, blocks, EncodingConfig(target))
        for block, number, code in zip(blocks, chosen.tolist(), codes, strict=True):
            error = block_errors(block[None], decode(codec.networks[number], code[None]))[0]
            cheaper = [block_errors(block[None], decode(n, encode(n, block[None])))[0]
                       for n in codec.networks[:number]]
            limit = 255**2 / 10 ** (target / 10)
            assert all(e > limit for e in cheaper)
            assert number == 2 or error <= limit


def test_code_search_never_loses_and_moves_no_weight(codec: BlockCodec) -> None:
    network = codec.networks[1]
    before = torch.cat([p.detach().flatten() for p in network.parameters()])
    blocks = np.concatenate([np.random.default_rng(1).integers(0, 256, (6, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
                             ]).astype(np.uint8)
    bits = encode(network, blocks)
    found = search_codes(network, blocks, bits, 40, 0.0)
    old, new = (block_errors(blocks, decode(network, code)) for code in (bits, found))
    assert (new <= old).all()
    assert new.mean() < old.mean()
    assert torch.equal(before, torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert all(p.grad is None for p in network.parameters())
    np.testing.assert_array_equal(search_codes(network, blocks, bits, 40, 1e9), bits)  # good enough: left alone


def test_the_deblocker_begins_by_doing_nothing_and_learns() -> None:
    image = np.random.default_rng(0).integers(0, 256, (33, 18, 3), dtype=np.uint8)
    torch.manual_seed(0)
    network = Deblocker().eval()
    np.testing.assert_array_equal(deblock(network, image), image)
    assert deblock(network, image[:0]).shape == (0, 18, 3)
    originals = np.stack([np.full((16, 16, 3), v, np.uint8) for v in (60, 120, 180, 200)])
    decoded = originals.copy()
    decoded[:, :, ::8] += 30  # seams
    train_deblocker(network, decoded, originals, 40, 0, batch=4)
    after = np.stack([deblock(network, d) for d in decoded])
    assert pooled_error([(originals, after)]) < 0.5 * pooled_error([(originals, decoded)])


def test_a_codec_file_is_read_strictly(codec_path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    save_codec(again, train_codec(smooth_pictures(4), TRAINING, "slopes"))
    assert again.read_bytes() == codec_path.read_bytes()  # same pictures, same settings, same bytes
    for content in (b"", b"not a codec", codec_path.read_bytes()[:-9]):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(WeightsError, match="codec"):
            load_codec(tmp_path / "broken")
    with pytest.raises(WeightsError):
        load_codec(tmp_path / "nothing")
    with pytest.raises(InputError, match="pictures"):
        train_codec([], TRAINING)


def test_settings_that_cannot_be() -> None:
    for wrong in ({"code_bits": ()}, {"code_bits": (8, 8)}, {"code_bits": (1, 2, 3, 4, 5)}, {"filters": (1, 2)}):
        with pytest.raises(ConfigError):
            BlockCodecConfig(**wrong)
    with pytest.raises(ConfigError):
        EncodingConfig(0)
    with pytest.raises(ConfigError):
        BlockTrainingConfig(epochs=0)
