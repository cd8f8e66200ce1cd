"""Captions reworded by a language model with their recordings' keywords, as in the paper's Table 1.

The endpoint is one that the person names; it speaks OpenAI's chat completions. Answers are kept one
by one, so a run that was cut goes on behind them; at the end they become ClothoV2_GPT's
variations.json.
"""

import contextlib
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError
from soundsearch.training.datasets import clotho, clotho_keywords

COUNT = 5
INSTRUCTION = (
    "I will give a description of an audio recording and tags associated with the audio recording. "
    "Generate 5 audio captions describing the sound event. Each audio caption should be one "
    "sentence with less than 20 words. Use grammatical subject-verb-object sentences. Do not "
    "include names of cities, countries, and persons. Do not include the time. Do not include "
    "recording device names. Do not write introductions or explanations. Do not use “heard” or "
    "“recorded”. Start each output sentence with its index."
)
_NUMBERED = re.compile(r"^\s*(\d+)\s*[.):]\s*(.+?)\s*$", re.MULTILINE)
_PASSING = (408, 409, 429, 500, 502, 503, 504)  # HTTP states that may be over soon


@dataclass(frozen=True)
class Endpoint:
    """address: up to and including /v1; key: "" for none; model: as the endpoint calls it;
    per_minute: most requests; tries: of one request; patience: seconds before the second try,
    doubled at each."""

    address: str
    key: str
    model: str
    per_minute: float = 60.0
    tries: int = 5
    patience: float = 2.0


@dataclass(frozen=True)
class Outcome:
    """asked: requests made now; kept: answers that were there before; refused: captions whose
    answers had too few sentences."""

    asked: int
    kept: int
    refused: int


def question(caption: str, keywords: Sequence[str]) -> str:
    """The request for one caption."""
    return f"{INSTRUCTION} '{caption}' [{', '.join(keywords)}]"


def numbered(answer: str, count: int = COUNT) -> tuple[str, ...]:
    """The sentences of a numbered answer, without their numbers; () when fewer than `count`."""
    found: dict[int, str] = {}
    for number, sentence in _NUMBERED.findall(answer):
        found.setdefault(int(number), sentence.strip("\"'“”‘’ "))
    some = tuple(found.get(number, "") for number in range(1, count + 1))
    return some if all(some) else ()


def augment(
    folder: Path,
    target: Path,
    endpoint: Endpoint,
    split: str = "development",
    limit: int | None = None,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Outcome:
    """Writes `target` (variations.json) for the captions of a Clotho split.

    limit: most requests of this call. Raises UserError when the endpoint can't be used; what was
    answered until then lies in `target` with .part behind it and is not asked again.
    """
    items = clotho(folder, split).items
    keywords = clotho_keywords(folder, split)
    part = target.with_name(target.name + ".part")
    answers = _answered(part) or _finished(target)
    kept, asked = len(answers), 0
    waiting = _every(60.0 / endpoint.per_minute)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(part, "a", encoding="utf-8") as file:
        if kept and not file.tell():
            for entry in answers.values():
                print(json.dumps(entry, ensure_ascii=False), file=file)
        for index, item in enumerate(items):
            key = (item.file.name, item.caption)
            if key in answers or (limit is not None and asked >= limit):
                continue
            next(waiting)
            query = question(item.caption, keywords.get(item.file.name, ()))
            told = ask(endpoint, query)
            asked += 1
            entry = {
                "idx": index,
                "path": f"{split}/{item.file.name}",
                "caption": item.caption,
                "query": query,
                "response": told["text"],
                "variations": list(numbered(told["text"])),
                "finish_reason": told["finish_reason"],
                "usage": told["usage"],
            }
            answers[key] = entry
            print(json.dumps(entry, ensure_ascii=False), file=file, flush=True)
            report(len(answers), len(items))
    usable = sorted((e for e in answers.values() if e["variations"]), key=lambda e: e["idx"])
    written = target.with_name(target.name + ".new")
    written.write_text(json.dumps(usable, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(written, target)
    if all((item.file.name, item.caption) in answers for item in items) and len(usable) == len(
        answers
    ):
        part.unlink()
    return Outcome(asked, kept, len(answers) - len(usable))


def _answered(part: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Answers of a run that was cut; a last line cut short is asked again."""
    if not part.exists():
        return {}
    answers = {}
    good = 0
    for line in part.read_bytes().splitlines(keepends=True):
        with contextlib.suppress(ValueError, KeyError):
            entry = json.loads(line)
            if line.endswith(b"\n"):
                answers[(entry["path"].split("/")[-1], entry["caption"])] = entry
                good += len(line)
    os.truncate(part, good)
    return answers


def _finished(target: Path) -> dict[tuple[str, str], dict[str, Any]]:
    if not target.exists():
        return {}
    entries = json.loads(target.read_text(encoding="utf-8"))
    return {(entry["path"].split("/")[-1], entry["caption"]): entry for entry in entries}


def _every(seconds: float) -> Iterator[None]:
    """Each `next` returns at the earliest so long after the one before."""
    due = time.monotonic()
    while True:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic() - seconds) + seconds
        yield


def ask(endpoint: Endpoint, query: str) -> dict[str, Any]:
    """{"text", "finish_reason", "usage"} of one request. Raises UserError."""
    body = {"model": endpoint.model, "messages": [{"role": "user", "content": query}]}
    headers = {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    address = endpoint.address.rstrip("/") + "/chat/completions"
    trouble = ""
    for attempt in range(endpoint.tries):
        if attempt:
            time.sleep(endpoint.patience * 2.0 ** (attempt - 1))
        try:
            request = urllib.request.Request(address, json.dumps(body).encode(), headers)
            with urllib.request.urlopen(request, timeout=120) as response:
                told = json.load(response)
            choice = told["choices"][0]
            return {
                "text": str(choice["message"]["content"]),
                "finish_reason": choice.get("finish_reason", ""),
                "usage": told.get("usage", {}),
            }
        except urllib.error.HTTPError as error:
            trouble = f"it answers {error.code} {error.reason}"
            if error.code not in _PASSING:
                break
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            trouble = f"{type(error).__name__}: {error}"
    raise UserError(
        f"The endpoint {endpoint.address} can't be used ({trouble})",
        "What was answered so far is kept; the same command goes on",
    )
