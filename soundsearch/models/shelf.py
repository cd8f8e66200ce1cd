"""What there is to choose from: installed models and those that can be brought, with what each
would take on this machine. Torch-free, nothing is measured here."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from soundsearch.errors import UserError
from soundsearch.models.catalog import (
    PREFERRED,
    ModelEntry,
    bytes_of,
    fetched,
    find,
    installed,
    kept_vectors,
    name_of,
    unusable,
)
from soundsearch.models.known import KNOWN, RUNTIME, KnownModel, known
from soundsearch.models.speed import cost, measured_machine, measured_speed, pads_to_segments

KNOWN_PAD = True  # all models that can be brought pad sounds to whole segments


@dataclass(frozen=True)
class Choice:
    """A model as a person sees it before they choose.

    state: "in use", "installed", "to download", "to import", "broken" (warning says how) or "gone",
    when only its vectors are here; own: it can be removed; memory: bytes while it indexes on a CPU,
    memory_measured: whether that was seen or is counted from its size; speed: seconds of sound a
    second, None when nobody knows; measured: whether that was seen or is estimated; needs: seconds
    that the sounds asked about will take, None when the speed is unknown; begun: it has embedded
    sounds before; fetched: bytes of a download that was begun; vectors: bytes of what it knows of
    the library's sounds.
    """

    name: str
    title: str
    state: str
    own: bool
    bytes: int
    memory: int
    licence: str
    source: str
    quality: str
    warning: str
    speed: float | None
    measured: bool
    needs: float | None
    begun: bool
    fetched: int = 0
    vectors: int = 0
    memory_measured: bool = False

    @property
    def is_here(self) -> bool:
        return self.state in ("in use", "installed")

    @property
    def pace(self) -> str:
        """Its speed in words."""
        if self.speed is None:
            return "not measured yet"
        digits = 3 if self.measured else 2
        pace = float(f"{self.speed:.{digits}g}")
        return f"{pace:,g} s of sound/s, {'measured' if self.measured else 'estimated'}"

    @property
    def memory_told(self) -> str:
        """Its peak memory in words."""
        known_how = "" if self.memory_measured else " (estimated)"
        return f"about {told_bytes(self.memory)} of memory{known_how}"


def choices(data: Path, lengths: Collection[float] = ()) -> list[Choice]:
    """Installed ones first. lengths: in seconds, of the library's sounds."""
    current = find(data, None)
    here, vectors = installed(data), kept_vectors(data)
    if current is not None:  # it may warn that it stands in for another
        here = [current if entry.folder == current.folder else entry for entry in here]
    found = [_installed(data, entry, entry is current, lengths) for entry in here]
    names = {choice.name for choice in found}
    found += [
        _broken(data, folder, error.message)
        for folder, error in unusable(data).items()
        if name_of(folder) not in names
    ]
    names = {choice.name for choice in found}
    found += [_offered(data, model, lengths) for model in KNOWN if model.name not in names]
    names = {choice.name for choice in found}
    found += [_without_model(name, "gone") for name in vectors if name not in names]
    return [replace(choice, vectors=vectors.get(choice.name, 0)) for choice in found]


def choice_of(data: Path, name: str, lengths: Collection[float] = ()) -> Choice:
    """Raises UserError for a name that is neither here nor known."""
    found = next((choice for choice in choices(data, lengths) if choice.name == name), None)
    if found is None:
        find(data, name)
        raise UserError(f"There is no model named {name}")
    return found


def _installed(data: Path, entry: ModelEntry, in_use: bool, lengths: Collection[float]) -> Choice:
    own = data / "models" in entry.folder.parents
    model = _known(entry, own)
    speed = measured_speed(data, entry.model_id)
    estimate = _estimate(data, model)
    pace = speed or estimate
    work = cost(lengths, pads_to_segments(entry.folder), entry.segment_seconds)
    rows = data / "embeddings" / entry.model_id / "rows"
    return Choice(
        name=entry.name,
        title=model.title if model else "",
        state="in use" if in_use else "installed",
        own=own,
        bytes=entry.bytes,
        memory=model.memory if model else 3 * entry.bytes + RUNTIME,  # as known._sizes counts
        memory_measured=model is not None and model.memory_measured,
        licence=entry.licence,
        source=entry.source,
        quality=entry.quality or "not stated",
        warning=entry.warning,
        speed=pace,
        measured=speed is not None,
        needs=work / pace if pace else None,
        begun=rows.is_file() and rows.stat().st_size > 0,
    )


def _known(entry: ModelEntry, own: bool) -> KnownModel | None:
    """What is known of a model by its name; not of one that only has the name."""
    model = known(entry.name)
    if model is None or model.kind != entry.kind or own == (entry.name == PREFERRED):
        return None
    return model


def _broken(data: Path, folder: Path, trouble: str) -> Choice:
    return replace(
        _without_model(name_of(folder), "broken"),
        own=(data / "models") in folder.parents,
        bytes=bytes_of(folder),
        warning=trouble,
    )


def _without_model(name: str, state: str) -> Choice:
    return Choice(
        name=name,
        title="",
        state=state,
        own=False,
        bytes=0,
        memory=0,
        licence="",
        source="",
        quality="",
        warning="",
        speed=None,
        measured=False,
        needs=None,
        begun=False,
    )


def _offered(data: Path, model: KnownModel, lengths: Collection[float]) -> Choice:
    pace = _estimate(data, model)
    return Choice(
        name=model.name,
        title=model.title,
        state="to download" if model.downloadable else "to import",
        own=False,
        bytes=model.bytes,
        memory=model.memory,
        licence=model.licence,
        source=model.source,
        quality=model.quality,
        warning="",
        speed=pace,
        measured=False,
        needs=cost(lengths, KNOWN_PAD) / pace if pace else None,
        begun=False,
        fetched=fetched(data, model.name),
        memory_measured=model.memory_measured,
    )


def _estimate(data: Path, model: KnownModel | None) -> float | None:
    machine = measured_machine(data)
    return machine.speed(model.flop, model.shares) if machine and model and model.flop else None


def told_time(seconds: float) -> str:
    """How long that is, as roughly as it is known."""
    if seconds < 90:
        return "a minute or less" if seconds <= 60 else "about 2 minutes"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} minutes"
    if seconds < 48 * 3600:
        return f"about {seconds / 3600:.0f} hours"
    return f"about {seconds / 86_400:.0f} days"


def told_bytes(count: int) -> str:
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"
