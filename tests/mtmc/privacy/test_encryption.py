"""AES-256-GCM of files: every bit counts, and so does the place."""

from __future__ import annotations

import builtins
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mtmc.errors import ConfigError, IntegrityError
from mtmc.privacy import encryption
from mtmc.privacy.encryption import decrypt, encrypt, is_sealed, require_cryptography
from mtmc.privacy.keys import Key

KEY = Key(bytes(range(32)))
PLACE = "cameras/c001/features.npy"
# Made once by `encrypt`: files of earlier versions must open for as long as the format has this name.
STORED = bytes.fromhex(
    "4d544d43454e4331b7606fb1e47fd6e911547e8f51c274d9af38e28d8988bb98113a56ac418fe4d8f6122b3c32054091"
    "ea1ef6826c82ae27129969349ad1035a6469136416b52893ca"
)


def test_a_file_of_an_earlier_version_opens() -> None:
    assert decrypt(STORED, KEY, PLACE) == b"a vehicle"


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 99, 100, 101, 199, 200, 201, 1000])
def test_round_trip_over_segments(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "SEGMENT_BYTES", 100)
    data = os.urandom(length)
    sealed = encrypt(data, KEY, PLACE)
    assert is_sealed(sealed)
    assert len(sealed) == 48 + length + 16 * max(1, -(-length // 100))
    assert decrypt(sealed, KEY, PLACE) == data


def test_the_format_is_what_the_docstring_says() -> None:
    """The slow twin: put together here from the library's parts."""
    sealed = encrypt(b"data", KEY, PLACE)
    salt = sealed[16:48]
    assert sealed[:16] == b"MTMCENC1" + bytes.fromhex(KEY.key_id)
    own = HKDF(SHA256(), 32, salt, b"mtmc file\0" + PLACE.encode()).derive(KEY.secret)
    assert sealed[48:] == AESGCM(own).encrypt(bytes(11) + b"\x01", b"data", sealed[:48])


def test_every_flipped_bit_is_noticed() -> None:
    sealed = encrypt(b"abc", KEY, PLACE)
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IntegrityError, match=r"features\.npy"):
            decrypt(bytes(changed), KEY, PLACE)


def test_every_cut_is_noticed_and_so_are_added_moved_and_missing_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "SEGMENT_BYTES", 10)
    sealed = encrypt(os.urandom(35), KEY, PLACE)
    head, parts = sealed[:48], [sealed[48 + 26 * i : 48 + 26 * (i + 1)] for i in range(4)]
    forged = [sealed[:length] for length in range(len(sealed))]
    forged += [sealed + b"\0", head + b"".join(parts[:3]), head + b"".join([*parts, parts[3]])]
    forged += [head + b"".join([parts[1], parts[0], *parts[2:]]), head + b"".join(parts[1:]), head]
    for data in forged:
        with pytest.raises(IntegrityError):
            decrypt(data, KEY, PLACE)


def test_another_place_and_another_key() -> None:
    sealed = encrypt(b"abc", KEY, PLACE)
    with pytest.raises(IntegrityError, match="moved"):
        decrypt(sealed, KEY, "cameras/c002/features.npy")
    other = Key(os.urandom(32))
    with pytest.raises(IntegrityError, match=f"{other.key_id}.*{KEY.key_id}"):
        decrypt(sealed, other, PLACE)
    with pytest.raises(IntegrityError, match="expected an encrypted file"):
        decrypt(b"\x93NUMPY", KEY, PLACE)


def test_the_same_data_never_gives_the_same_bytes() -> None:
    assert len({encrypt(b"abc", KEY, PLACE)[16:] for _ in range(50)}) == 50
    assert b"vehicle" * 9 not in encrypt(b"vehicle" * 9, KEY, PLACE)


def test_without_the_library_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'mtmc-vehicle-reid\[crypto\]'"):
        require_cryptography()
