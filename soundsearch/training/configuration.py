"""Training configurations: TOML files that may be small changes of another (`base = "x.toml"`)."""

import tomllib
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError

_DEEPEST = 8  # files that stand on each other


def read_configuration(file: Path) -> dict[str, Any]:
    """What a file says on top of what its base says; tables are merged, the rest is replaced.

    base is relative to the file. Raises UserError.
    """
    return _read(file, _DEEPEST)


def _read(file: Path, deepest: int) -> dict[str, Any]:
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"The configuration {file} can't be used ({error})") from None
    base = given.pop("base", None)
    if base is None:
        return given
    if not deepest:
        raise UserError(f"The configuration {file} stands on too many others, or on itself")
    return merge(_read(file.parent / str(base), deepest - 1), given)


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged
