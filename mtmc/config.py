"""Settings: frozen dataclasses beside the code they set, filled strictly from YAML and `--set`.

A YAML file holds only what differs from the defaults in code. Unknown keys and wrong types are errors
that name the key, the value and the nearest known key; YAML's traps (`1e-3` is a string, `yes` is a
boolean) are met by checking against the declared type.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mtmc.errors import ConfigError
from mtmc.files import require_regular

T = TypeVar("T")

MAX_YAML_BYTES = 1 << 20  # a thousand cameras with polygons take a quarter of it


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file (an empty file is an empty mapping). Only plain YAML types are read."""
    try:
        require_regular(path)
        with Path(path).open("rb") as file:
            content = file.read(MAX_YAML_BYTES + 1)
        if len(content) > MAX_YAML_BYTES:
            raise ConfigError(path, f"at most {MAX_YAML_BYTES} bytes of settings", "more")
        value = parse_yaml(content.decode("utf-8-sig"))
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        found = " ".join(str(error).split())
        raise ConfigError(path, "a readable YAML file in UTF-8", found, "Mend the file.") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(path, "a mapping of settings at the top", type(value).__name__)
    return value


def parse_yaml(text: str) -> Any:
    """Plain values from YAML text. Raises `ValueError` with one line of words for everything that it is not."""
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except Exception as error:  # hostile text raises nearly every kind: `!!bool x` a KeyError, 2001-13-45 a ValueError
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


class _PlainLoader(yaml.SafeLoader):
    """`SafeLoader` without aliases: 306 bytes of them stand for 4e8 values (reliability.md G3)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read; write the values out")
        return super().compose_node(parent, index)


def merge_sets(values: Mapping[str, Any], sets: Iterable[str]) -> dict[str, Any]:
    """A copy of `values` with every `section.key=value` of `sets` laid over it (values are YAML)."""
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for item in sets:
        dotted, equals, text = item.partition("=")
        if not equals or not dotted.strip():
            raise ConfigError(f"--set {item}", "section.key=value", "no '=' or no key")
        *sections, key = dotted.strip().split(".")
        place = merged
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"--set {item}", f"{section} to be a section", "a plain value")
        try:
            place[key] = parse_yaml(text)
        except ValueError as error:
            raise ConfigError(f"--set {item}", "a YAML value after '='", str(error)) from error
    return merged


def build(cls: type[T], values: Mapping[str, Any], source: str = "configuration") -> T:
    """An instance of dataclass `cls` from `values`; missing keys keep their defaults.

    Raises `ConfigError` naming `source`, the dotted key, the expected type and what was found.
    """
    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    arguments = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{source}: {key}", "a known setting", "none of that name", did_you_mean(str(key), known))
        arguments[key] = _convert(hints[key], value, f"{source}: {key}")
    try:
        return cls(**arguments)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{source}: {error}") from error


def to_plain(config: Any) -> Any:
    """A dataclass as nested dicts and lists of plain values, ready for JSON or YAML."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_plain(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {str(key): to_plain(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [to_plain(value) for value in config]
    if isinstance(config, Path):
        return str(config)
    if isinstance(config, float) and not math.isfinite(config):
        return str(config)
    return config


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """One sentence with the nearest known name, or all of them where none is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(where, "a section (mapping)", repr(value))
        return build(hint, value, where)
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin is typing.Literal:
        if value not in arguments:
            expected = " or ".join(map(str, arguments))
            raise ConfigError(where, expected, repr(value), did_you_mean(str(value), map(str, arguments)))
        return value
    if origin is dict and isinstance(value, Mapping):
        return {_convert(arguments[0], k, where): _convert(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    return _convert_scalar(hint, value, where)


def _convert_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    for option in options:
        try:
            return _convert(option, value, where)
        except ConfigError:
            continue
    raise ConfigError(where, " or ".join(getattr(o, "__name__", str(o)) for o in options), repr(value))


def _convert_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(where, "a list", repr(value))
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(arguments) != len(value):
        raise ConfigError(where, f"a list of {len(arguments)} values", f"{len(value)}")
    return tuple(_convert(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(arguments, value, strict=True)))


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if value != value:
            raise ConfigError(where, "a number", "NaN")
        try:
            return float(value)
        except OverflowError as error:
            raise ConfigError(where, "a number below 1e308", str(error)) from error
    if isinstance(hint, type) and type(value) is hint:
        return value
    remedy = "Write it with a dot, as in 1.0e-3." if hint is float and isinstance(value, str) else ""
    raise ConfigError(where, getattr(hint, "__name__", str(hint)), repr(value), remedy)
