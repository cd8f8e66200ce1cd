"""How results look: a table on a terminal, plain lines in a pipe, JSON on request."""

import json
import os
import sys
from typing import Any

from soundsearch.search.ranking import Answer, Match


def display(path: bytes) -> str:
    """A path as text that every terminal and reader takes: odd bytes and newlines escaped."""
    text = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
    return text.replace("\n", "\\n").replace("\r", "\\r")


def remark(text: str, quiet: bool = False) -> None:
    """A remark beside the results: on stderr, unless the person wants none."""
    if not quiet:
        print(text, file=sys.stderr)


def duration(seconds: float) -> str:
    """0.42 s, 12.3 s, 4:05 or 1:02:03."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def answer_as_json(query: str, model: str | None, seconds: float, answer: Answer) -> dict[str, Any]:
    return {
        "query": query,
        "model": model,
        "seconds": round(seconds, 4),
        "nothing_matches": answer.nothing_matches,
        "results": [_match_as_json(match) for match in answer.matches],
    }


def _match_as_json(match: Match) -> dict[str, Any]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(float(value), 4)

    return {
        "path": display(match.path),
        "strength": rounded(match.strength),
        "sound": rounded(match.sound),
        "name": rounded(match.name_score),
        "cosine": rounded(match.cosine),
        "why": match.why,
        "start": rounded(match.start),
        "duration": rounded(match.duration),
        "samplerate": match.samplerate,
        "channels": match.channels,
        "format": match.format,
        "state": match.state,
        "places": match.places,
        "takes": match.takes,
    }


def _shown_name(match: Match) -> str:
    places = f"  ({match.places} places)" if match.places > 1 else ""
    takes = f" · {match.takes} takes" if match.takes > 1 else ""
    return match.name + places + takes


def _is_scored(match: Match) -> bool:
    """Not where a query has filters alone, which nothing fits more than another."""
    return match.name_score is not None or match.sound is not None


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_answer(answer: Answer) -> None:
    """The matches, best first; the line that says that nothing really matches goes to stderr."""
    if answer.nothing_matches and answer.matches:
        remark("Nothing here really matches; the nearest are:")
    if not answer.matches:
        remark("No sound matches.")
        return
    if not sys.stdout.isatty():
        for match in answer.matches:
            takes = f" · {match.takes} takes" if match.takes > 1 else ""
            strength = f"{match.strength:.2f}" if _is_scored(match) else "-"
            print(f"{strength}\t{display(match.path)}\t{match.why}{takes}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("sound", overflow="fold")
    table.add_column("folder", style="dim", overflow="fold")
    table.add_column("length", justify="right")
    table.add_column("format")
    table.add_column("why", style="dim")
    for match in answer.matches:
        table.add_row(
            f"{100 * match.strength:.0f}%" if _is_scored(match) else "",
            Text(_shown_name(match)),
            Text(match.folder),
            duration(match.duration or 0.0),
            f"{match.format} {(match.samplerate or 0) / 1000:g}k",
            match.why,
        )
    Console().print(table)
