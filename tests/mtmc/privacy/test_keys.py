"""Keys come from files and the environment, and reach no message."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from mtmc.errors import ConfigError
from mtmc.privacy.keys import Key, load_key, others_may_read, parse_key

SECRET = bytes(range(100, 132))
URL_SAFE = bytes([251, 255] * 16)  # its base64 holds + and /, or - and _


@pytest.mark.parametrize("text", [
    SECRET.hex(), SECRET.hex().upper(), f"  {SECRET.hex()}\n", base64.b64encode(SECRET).decode(),
    base64.b64encode(SECRET).decode().rstrip("=") + "\n",
])  # fmt: skip
def test_hex_and_base64(text: str) -> None:
    assert parse_key(text, "here").secret == SECRET


def test_both_alphabets_of_base64() -> None:
    assert parse_key(base64.b64encode(URL_SAFE).decode(), "").secret == URL_SAFE
    assert parse_key(base64.urlsafe_b64encode(URL_SAFE).decode(), "").secret == URL_SAFE


@pytest.mark.parametrize("text", ["", "secret", SECRET.hex()[:-2], SECRET.hex() + "00", "g" * 64, "é" * 64, "!" * 43])
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="32 random bytes") as caught:
        parse_key(text, "--key-file k")
    assert not text or text not in str(caught.value)


def test_file_before_variable_of_file_before_variable(tmp_path: Path) -> None:
    keys = [os.urandom(32) for _ in range(3)]
    for number in (0, 1):
        (tmp_path / str(number)).write_text(keys[number].hex())
    environment = {"MTMC_KEY_FILE": str(tmp_path / "1"), "MTMC_KEY": keys[2].hex()}
    assert load_key(tmp_path / "0", environment).secret == keys[0]
    assert load_key(None, environment).secret == keys[1]
    assert load_key(None, {"MTMC_KEY": keys[2].hex()}).secret == keys[2]
    with pytest.raises(ConfigError, match="MTMC_KEY_FILE"):
        load_key(None, {})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ConfigError, match="key file that can be read"):
            load_key(path, {})
    (tmp_path / "video").write_bytes(os.urandom(100_000))
    with pytest.raises(ConfigError, match="32 random bytes"):
        load_key(tmp_path / "video", {})


def test_a_key_where_its_file_should_stand_is_not_repeated() -> None:
    with pytest.raises(ConfigError, match="make another") as caught:
        load_key(Path(SECRET.hex()), {})
    assert SECRET.hex() not in str(caught.value)


def test_the_key_shows_in_no_representation_and_its_id_does_not_tell_it() -> None:
    key = Key(SECRET)
    assert SECRET.hex() not in repr(key)
    assert repr(SECRET) not in repr(key)
    assert len(key.key_id) == 16
    assert key.key_id == Key(SECRET).key_id != Key(URL_SAFE).key_id
    assert key.key_id not in SECRET.hex()
    with pytest.raises(ConfigError, match="32 bytes"):
        Key(b"short")


def test_who_may_read_a_key_file(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.touch()
    for mode, expected in ((0o600, False), (0o400, False), (0o640, True), (0o604, True)):
        path.chmod(mode)
        assert others_may_read(path) is expected


def test_a_pipe_will_do_unless_nobody_writes_to_it(tmp_path: Path) -> None:
    """`--key-file <(pass show run)` of a shell."""
    read, write = os.pipe()
    os.write(write, b"ab" * 32)
    os.close(write)
    assert load_key(Path(f"/dev/fd/{read}"), {}) == parse_key("ab" * 32, "")
    os.close(read)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe"):
        load_key(tmp_path / "pipe", {})
