"""Strict settings: what is unknown or of the wrong type is an error that helps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from mtmc.config import build, did_you_mean, merge_sets, read_yaml, to_plain
from mtmc.errors import ConfigError, MtmcError, mask_credentials


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    name: Literal["one", "two"] = "one"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ConfigError("inner.rate", "0 or more", str(self.rate))


@dataclass(frozen=True)
class Outer:
    count: int = 1
    inner: Inner = field(default_factory=Inner)


def test_defaults_and_differences() -> None:
    assert build(Outer, {}) == Outer()
    assert build(Outer, {"inner": {"rate": 1, "size": [2, 3]}}) == Outer(inner=Inner(rate=1.0, size=(2, 3)))
    assert to_plain(Outer()) == {"count": 1, "inner": {"rate": 0.5, "name": "one", "size": None}}


@pytest.mark.parametrize(("values", "words"), [
    ({"cuont": 1}, "Did you mean count"),
    ({"inner": {"ratee": 1}}, "inner: ratee"),
    ({"count": "1"}, "expected int, found '1'"),
    ({"count": True}, "found True"),
    ({"inner": {"rate": "1e-3"}}, "with a dot"),
    ({"inner": {"rate": float("nan")}}, "NaN"),
    ({"inner": {"name": "tow"}}, "Did you mean two"),
    ({"inner": 3}, "a section"),
    ({"inner": {"size": [1]}}, "found [1]"),
    ({"inner": {"rate": -1}}, "0 or more"),
])  # fmt: skip
def test_mistakes_are_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Outer, values, "my.yaml")
    assert words in str(caught.value)


def test_sets_lie_over_the_file() -> None:
    merged = merge_sets({"inner": {"rate": 0.1}}, ["inner.rate=0.2", "count=7"])
    assert build(Outer, merged) == Outer(count=7, inner=Inner(rate=0.2))
    for wrong in ("count", "=3", "count.deep=1"):
        with pytest.raises(ConfigError):
            build(Outer, merge_sets({"count": 1}, [wrong]))


def test_yaml_that_is_no_mapping(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    for text in ("- 1", "a: [", "!!python/object/apply:os.system ['true']", "\x00"):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"c\.yaml"):
            read_yaml(file)
    file.write_text("")
    assert read_yaml(file) == {}


def test_errors_are_one_line_and_keep_secrets() -> None:
    error = MtmcError("rtsp://admin:S3cret@cam/1\nx", "a file", "a 'stream'", "Record it first.")
    assert str(error) == "rtsp://***@cam/1\\nx: expected a file, found a 'stream'. Record it first."
    assert mask_credentials("at http://u:p@h/ and ftp://x@y") == "at http://***@h/ and ftp://***@y"
    assert did_you_mean("zzz", ["alpha"]) == "Known: alpha."
