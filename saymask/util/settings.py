"""Configurations are frozen dataclasses; this file turns them into JSON and back, and changes single values by name."""

import dataclasses
import hashlib
import json
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from saymask.errors import InputError

T = TypeVar("T")
MOST = 2**1000
"""Whole numbers up to here are taken as fractions, too."""


def to_json(config: Any) -> Any:
    """Return `config` (nested dataclasses, tuples, lists, dicts, numbers, strings, None) as plain JSON values."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, list | tuple):
        return [to_json(value) for value in config]
    if isinstance(config, Mapping):
        return {str(key): to_json(value) for key, value in config.items()}
    if config is None or isinstance(config, bool | int | float | str):
        return config
    raise TypeError(f"{type(config).__name__} cannot be part of a configuration")


def from_json(kind: type[T], values: Any, where: str = "") -> T:
    """Return the dataclass `kind` built from JSON values; missing fields take their defaults.

    Raises InputError naming the field for an unknown name or a value of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where or kind.__name__}: expected an object with named values, got {values!r}")
    hints = get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise InputError(f"{where or kind.__name__} has no setting {', '.join(map(repr, unknown))}; it has {names}")
    given = {name: _convert(hints[name], value, f"{where}.{name}".lstrip(".")) for name, value in values.items()}
    return kind(**given)


def fingerprint(config: Any) -> str:
    """Return the sha256 of the configuration's JSON: equal for equal values, whatever the order of the fields."""
    return hashlib.sha256(json.dumps(to_json(config), sort_keys=True).encode()).hexdigest()


def override(config: T, changes: Mapping[str, Any]) -> T:
    """Return `config` with single values changed; `changes` maps dotted names (`train.lr`, `model.widths`) to values.

    Values may be of the field's type or text that reads as it (`"1e-3"`, `"32,64"`, `"true"`).
    """
    for name, value in changes.items():
        config = _set(config, name.split("."), value, name)
    return config


def _set(config: Any, path: list[str], value: Any, name: str) -> Any:
    if not dataclasses.is_dataclass(config):
        raise InputError(f"{name!r} is not a setting: nothing lies below {path[0]!r}")
    fields = [f.name for f in dataclasses.fields(config)]
    if path[0] not in fields:
        raise InputError(f"there is no setting {name!r}; {type(config).__name__} has {', '.join(fields)}")
    if len(path) > 1:
        new = _set(getattr(config, path[0]), path[1:], value, name)
    elif dataclasses.is_dataclass(value):
        new = value
    else:
        new = _convert(get_type_hints(type(config))[path[0]], value, name)
    return dataclasses.replace(config, **{path[0]: new})  # type: ignore[type-var]


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the annotated type `hint`, or raise InputError."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None or (value == "none" and type(None) in arguments):
            if type(None) in arguments:
                return None
            raise InputError(f"{where}: expected {hint}, got nothing")
        errors = []
        for option in arguments:
            if option is not type(None):
                try:
                    return _convert(option, value, where)
                except InputError as error:
                    errors.append(str(error))
        raise InputError(errors[0])
    if origin is Literal:
        if value in arguments:
            return value
        raise InputError(f"{where}: expected one of {', '.join(map(repr, arguments))}, got {value!r}")
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_json(hint, value, where)  # type: ignore[arg-type]
    if origin in (tuple, list):
        items = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise InputError(f"{where}: expected a list of values, got {value!r}")
        variadic = origin is list or (len(arguments) == 2 and arguments[1] is Ellipsis)
        if not variadic and arguments and len(items) != len(arguments):
            raise InputError(f"{where}: expected {len(arguments)} values, got {len(items)}")
        kinds = [arguments[0]] * len(items) if variadic else arguments
        return origin(_convert(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, items)))
    if origin is dict or hint is dict:
        if isinstance(value, Mapping):
            return dict(value)
        raise InputError(f"{where}: expected named values, got {value!r}")
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if hint is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lstrip("+-").isdigit():
            return int(value)
    elif hint is float:
        if isinstance(value, float) or (
            isinstance(value, int) and not isinstance(value, bool) and -MOST < value < MOST
        ):
            return float(value)
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
    elif hint is str and isinstance(value, str):
        return value
    raise InputError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
