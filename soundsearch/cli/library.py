"""`soundsearch library`: folders, counts, model, disk use."""

import argparse
from pathlib import Path
from typing import Any

from soundsearch.cli.output import display, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "What is in the library."


def run(args: argparse.Namespace) -> int:
    from soundsearch.index.passes import heard
    from soundsearch.index.vectors import Vectors
    from soundsearch.library.catalog import Library
    from soundsearch.models import catalog
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    model = catalog.find(data, args.model)
    facts: dict[str, Any] = {"roots": [], "files": 0, "sounds": 0, "states": {}}
    identities: list[bytes] = []
    if (data / "library.db").exists():
        with Library.open(data, write=False) as library:
            facts = library.counts()
            identities = library.present_identities()
    facts["model"] = model.name if model else None
    folder = data / "embeddings" / model.model_id if model else None
    facts["vectors"] = Vectors.count(folder) if folder else 0
    passes = heard(folder) if folder else {}
    facts["first_pass"] = sum(identity in passes for identity in identities)
    facts["complete"] = sum(passes.get(identity, False) for identity in identities)
    facts["bytes"] = sum(f.stat().st_size for f in _files(data))
    if args.json:
        facts["roots"] = [{**root, "path": display(root["path"])} for root in facts["roots"]]
        print_json(facts)
        return 0
    for root in facts["roots"]:
        away = "" if root["state"] == "ok" else f"  ({root['state']})"
        print(f"{root['files']:>9,}  {display(root['path'])}{away}")
    states = ", ".join(f"{count:,} {state}" for state, count in facts["states"].items())
    print(f"{facts['files']:,} files ({states or 'none'}), {facts['sounds']:,} different sounds")
    print(f"model: {facts['model'] or 'none'}, {facts['vectors']:,} vectors")
    if model:
        print(
            f"by sound: {facts['first_pass']:,} sounds had their first pass, "
            f"{facts['complete']:,} are complete"
        )
    print(f"data folder: {data}, {facts['bytes'] / 1e6:.1f} MB")
    return 0


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
