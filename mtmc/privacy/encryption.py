"""AES-256-GCM for whole files, so that a file that was changed, cut, or put in another's place does not open.

    file    = header, segments          header = "MTMCENC1", key id (8 bytes), salt (32 random bytes)
    key     = HKDF-SHA256(secret, salt, info = "mtmc file" and the file's place in its run)
    segment = AES-256-GCM(key, nonce = number of the segment and whether it is the last, associated data = header)

A key of its own for every file means that a nonce is used once for certain, however many files a secret protects;
numbered segments open files beyond the 2 GiB that one call takes, and make a cut or a swap fail. The construction is
that of Tink's AES-GCM-HKDF streaming (Hoang, Reyhanitabar, Rogaway and Vizár 2015, "STREAM").
"""

from __future__ import annotations

import os
from typing import Any

from mtmc.errors import ConfigError, IntegrityError
from mtmc.privacy.keys import Key

MAGIC = b"MTMCENC1"
_SALT_BYTES, _TAG_BYTES = 32, 16
_HEADER_BYTES = len(MAGIC) + 8 + _SALT_BYTES
SEGMENT_BYTES = 1 << 22  # of plain text; few enough to be one call's worth, long enough that 16 more do not count
_REMEDY = "Restore the file, or delete the camera's folder and run again."


def is_sealed(start: bytes) -> bool:
    """Whether a file that begins with `start` (8 bytes or more) is one of these."""
    return start[: len(MAGIC)] == MAGIC


def encrypt(data: bytes, key: Key, place: str) -> bytes:
    """`data` sealed under `key` as the file at `place` (its path inside the run, with /)."""
    salt = os.urandom(_SALT_BYTES)
    header = MAGIC + bytes.fromhex(key.key_id) + salt
    cipher = _cipher(key, salt, place)
    count = max(1, -(-len(data) // SEGMENT_BYTES))
    view = memoryview(data)
    segments = (
        cipher.encrypt(_nonce(i, i == count - 1), view[i * SEGMENT_BYTES : (i + 1) * SEGMENT_BYTES], header)
        for i in range(count)
    )
    return b"".join([header, *segments])


def decrypt(sealed: bytes, key: Key, place: str) -> bytes:
    """The data of a file that `encrypt` sealed for the same place.

    Raises `IntegrityError` where it is not sealed, is sealed under another key, or was changed in any bit.
    """
    header = sealed[:_HEADER_BYTES]
    if not is_sealed(header) or len(header) < _HEADER_BYTES:
        raise IntegrityError(place, "an encrypted file", "one that is not", _REMEDY)
    key_id = header[len(MAGIC) : len(MAGIC) + 8].hex()
    if key_id != key.key_id:
        raise IntegrityError(place, f"a file encrypted with the key {key.key_id}", f"the key {key_id}",
                             "Give the key that the run was made with.")  # fmt: skip
    from cryptography.exceptions import InvalidTag

    cipher = _cipher(key, header[-_SALT_BYTES:], place)
    step = SEGMENT_BYTES + _TAG_BYTES
    count = max(1, -(-(len(sealed) - _HEADER_BYTES) // step))
    view = memoryview(sealed)[_HEADER_BYTES:]
    try:
        parts = [cipher.decrypt(_nonce(i, i == count - 1), view[i * step : (i + 1) * step], header)
                 for i in range(count)]  # fmt: skip
    except InvalidTag as error:
        raise IntegrityError(place, "the bytes that were encrypted here", "others: changed, cut or moved",
                             _REMEDY) from error  # fmt: skip
    return b"".join(parts)


def require_cryptography() -> None:
    """Raise `ConfigError` where the library is not installed, before any work is done."""
    _aes_gcm()


def _cipher(key: Key, salt: bytes, place: str) -> Any:
    aes_gcm = _aes_gcm()
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"mtmc file\0" + place.encode("utf-8", "surrogateescape")
    return aes_gcm(HKDF(SHA256(), 32, salt, info).derive(key.secret))


def _aes_gcm() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ConfigError("encryption", "the package cryptography", "it is not installed",
                          "Install it with: pip install 'mtmc-vehicle-reid[crypto]'") from error  # fmt: skip
    return AESGCM


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
