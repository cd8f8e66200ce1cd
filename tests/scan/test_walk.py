"""What a scan finds, what it must read, and what it knows without reading."""

import contextlib
import hashlib
import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundsearch.library.catalog import Library
from soundsearch.library.rows import Change, Record, Root, State
from soundsearch.scan.candidates import END_BYTES, Rules, Walk, quick_hash
from soundsearch.scan.walk import Plan, plan, settle

EXTENSIONS = frozenset((".wav", ".mp3"))
HOUR = 3600 * 10**9


@dataclass(frozen=True)
class Facts:
    frames: int = 100
    samplerate: int = 100
    channels: int = 1
    sample_format: str = "pcm_16"
    container: str = "wav"
    loudness: float | None = None
    peak: float = 0.5
    envelope: bytes = b""
    silent: bool = False
    onset: float = 0.0


def identity(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


class Scanner:
    """A scan without sound: files that begin with "bad" fail, all others hold what they contain."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.changes: list[Change] = []
        self.read: list[str] = []  # relative paths that the last scan had to read

    def add(self, folder: Path) -> Root:
        return self.library.add_root(str(folder))

    def __call__(self, *roots: Root, patterns: tuple[str, ...] = (), retry: bool = False) -> Plan:
        chosen = [r for r in self.library.roots() if not roots or r.id in {s.id for s in roots}]
        found = plan(self.library, chosen, EXTENSIONS, patterns, retry)
        self.changes = settle(found, self.library)
        self.read = sorted(os.fsdecode(c.path) for c in found.to_read)
        records = []
        for candidate in found.to_read:
            path = os.path.join(self.library.root(candidate.root_id).path, candidate.path)
            content = Path(os.fsdecode(path)).read_bytes()
            start = (*candidate[:4], quick_hash(path))
            if content.startswith(b"bad"):
                records.append(Record(*start, State.FAILED, "it is bad", retry=True))
            else:
                records.append(Record(*start, State.OK, "", False, identity(content), Facts(), {}))
        self.changes += self.library.record(records)
        return found

    def states(self) -> dict[str, str]:
        rows = self.library.files([i for (i,) in self.library.db.execute("SELECT id FROM files")])
        return {os.fsdecode(row.path): row.state for row in rows.values()}


@pytest.fixture
def scan(tmp_path: Path) -> Iterator[Scanner]:
    with Library.open(tmp_path / "data", write=True) as library:
        yield Scanner(library)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "Sounds"
    for path, content in (
        ("kick.wav", b"kick"),
        ("Loops/beat.wav", b"beat" * 50_000),
        ("Loops/slow.MP3", b"slow"),
        ("bad.wav", b"bad file"),
    ):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


ALL = ["Loops/beat.wav", "Loops/slow.MP3", "bad.wav", "kick.wav"]


def age(path: Path, ns: int) -> None:
    """Shifts a file's mtime."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + ns))


def test_the_first_scan_reads_all_and_the_second_nothing(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    first = scan()
    assert scan.read == ALL
    assert (first.found, first.new, first.changed, first.unchanged) == (4, 4, 0, 0)
    second = scan()
    assert scan.read == []
    assert (second.found, second.new, second.unchanged) == (4, 0, 4)
    assert scan.states()["bad.wav"] == "failed"
    third = scan(retry=True)
    assert scan.read == ["bad.wav"]
    assert (third.new, third.changed, third.unchanged) == (0, 1, 3)


def test_nothing_in_the_folders_is_touched(scan: Scanner, sounds: Path) -> None:
    def look() -> list[tuple[str, int, int, int]]:
        paths = [sounds, *sorted(sounds.rglob("*"))]
        return [(str(p), (s := p.stat()).st_size, s.st_mtime_ns, s.st_mode) for p in paths]

    before = look()
    scan.add(sounds)
    scan()
    scan()
    assert look() == before


def test_what_is_never_looked_at(scan: Scanner, sounds: Path) -> None:
    for name in (
        ".hidden.wav", "._kick.wav", "cover.txt", "wav", ".git/a.wav", "@eaDir/a.wav",
        "__MACOSX/a.wav", ".Trash-1000/a.wav", "$RECYCLE.BIN/a.wav", ".Trashes/a.wav",
        "System Volume Information/a.wav", "#recycle/a.wav",
    ):  # fmt: skip
        place = sounds / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"no")
    os.mkfifo(sounds / "pipe.wav")
    (sounds / "folder.wav").mkdir()
    (sounds / "dangling.wav").symlink_to("nowhere")
    (sounds / "self.wav").symlink_to("self.wav")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(sounds / "socket.wav"))
        scan.add(sounds)
        found = scan()
    assert scan.read == ALL
    assert found.unreadable == []


def test_the_persons_own_patterns(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    scan(patterns=("loops/b*", " ", "BAD.*"))
    assert scan.read == ["Loops/slow.MP3", "kick.wav"]
    scan()
    assert scan.read == ["Loops/beat.wav", "bad.wav"]
    # What is excluded later leaves the library; it isn't missing.
    gone = scan(patterns=("Loops",))
    assert (gone.missing, set(scan.states())) == ([], {"bad.wav", "kick.wav"})
    # All excluded is not the same as suddenly empty.
    assert scan(patterns=("*",)).offline == []
    assert scan.states() == {}


def test_names_that_are_no_text(scan: Scanner, sounds: Path) -> None:
    names = [b"\xff\xfe.wav", b"new\nline.wav", "Vögel 🐦.wav".encode(), b"  .wav", b"-rf.wav"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(sounds), name))).write_bytes(name)
    scan.add(sounds)
    scan()
    assert set(scan.read) == {*ALL, *map(os.fsdecode, names)}
    scan()
    assert scan.read == []


def test_symlinked_folders_once_and_by_their_real_path(
    scan: Scanner, sounds: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/far.wav").write_bytes(b"far")
    (tmp_path / "beside.wav").write_bytes(b"not ours")
    (sounds / "A to loops").symlink_to("Loops")
    (sounds / "Loops/up").symlink_to("..")
    (sounds / "Loops/above").symlink_to(tmp_path)
    (sounds / "out").symlink_to(tmp_path / "elsewhere")
    (sounds / "out again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/round").symlink_to(sounds)
    (sounds / "linked.wav").symlink_to("kick.wav")
    scan.add(sounds)
    scan()
    assert scan.read == sorted([*ALL, "linked.wav", "out/far.wav"])


def test_our_own_data_folder_is_no_sample_folder(scan: Scanner, tmp_path: Path) -> None:
    (tmp_path / "data/exports").mkdir()
    (tmp_path / "data/exports/region.wav").write_bytes(b"region")
    (tmp_path / "kick.wav").write_bytes(b"kick")
    scan.add(tmp_path)
    scan()
    assert scan.read == ["kick.wav"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are others there")
@pytest.mark.parametrize("mode", [0o000, 0o600, 0o400])
def test_a_folder_that_cannot_be_read_keeps_its_files(
    scan: Scanner, sounds: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan.add(sounds)
    scan()
    before = scan.states()
    if os.geteuid() == 0:
        # root reads everything: let the system say no in its place.
        real = os.scandir

        def refusing(path: bytes) -> Iterator[os.DirEntry[bytes]]:
            if os.path.basename(path) == b"Loops":
                raise PermissionError(13, "Permission denied")
            return real(path)  # type: ignore[return-value]

        monkeypatch.setattr(os, "scandir", refusing)
    (sounds / "Loops").chmod(mode)
    try:
        found = scan()
    finally:
        (sounds / "Loops").chmod(0o755)
    assert [(os.fsdecode(u.path), u.reason) for u in found.unreadable] == [
        (str(sounds / "Loops"), "Permission denied")
    ]
    assert (found.missing, found.moved, scan.states()) == ([], [], before)


def test_changed_files_are_read_and_told(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    scan()
    (sounds / "kick.wav").write_bytes(b"other kick")
    (sounds / "Loops/beat.wav").touch()
    age(sounds / "Loops/beat.wav", 5 * 10**9)
    found = scan()
    assert scan.read == ["Loops/beat.wav", "kick.wav"]
    assert (found.new, found.changed) == (0, 2)
    place = os.fsencode(sounds / "kick.wav")
    assert scan.changes == [Change(place, identity(b"kick"), identity(b"other kick"), False)]


def test_moved_renamed_and_swapped_files_are_recognised(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    scan()
    ids = scan.library.db.execute("SELECT id, sound_id FROM files ORDER BY id").fetchall()
    (sounds / "New/Deep").mkdir(parents=True)
    (sounds / "kick.wav").rename(sounds / "New/Deep/kick.wav")
    (sounds / "bad.wav").rename(sounds / "still bad.wav")
    (sounds / "Loops").rename(sounds / "Grooves")
    (sounds / "Grooves/beat.wav").rename(sounds / "Grooves/x.wav")
    (sounds / "Grooves/slow.MP3").rename(sounds / "Grooves/beat.wav")
    found = scan()
    assert (scan.read, len(found.moved), found.missing, scan.changes) == ([], 4, [], [])
    assert scan.states() == {
        "New/Deep/kick.wav": "ok",
        "still bad.wav": "failed",
        "Grooves/x.wav": "ok",
        "Grooves/beat.wav": "ok",
    }
    now = scan.library.db.execute("SELECT id, sound_id FROM files ORDER BY id").fetchall()
    assert now == ids
    assert scan.library.files([1])[1].folder in ("Sounds/New/Deep", "Sounds/Grooves", "Sounds")

    # a → b → c, all within one scan
    (sounds / "Grooves/x.wav").rename(sounds / "Grooves/y.wav")
    (sounds / "Grooves/beat.wav").rename(sounds / "Grooves/x.wav")
    found = scan()
    assert (scan.read, len(found.moved)) == ([], 2)


def test_a_file_moved_over_another(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    scan()
    (sounds / "Loops/slow.MP3").replace(sounds / "kick.wav")
    scan()
    assert scan.read == []
    assert set(scan.states()) == {"kick.wav", "Loops/beat.wav", "bad.wav"}
    place = os.fsencode(sounds / "kick.wav")
    assert scan.changes == [Change(place, identity(b"kick"), identity(b"slow"), False)]


def test_a_copy_is_read_and_shares_the_sound(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    scan()
    shutil.copy2(sounds / "kick.wav", sounds / "copy.wav")
    found = scan()
    assert (scan.read, found.moved, found.new) == (["copy.wav"], [], 1)
    assert scan.library.counts()["sounds"] == 3


def test_equal_ends_and_times_do_not_confuse_different_sounds(
    scan: Scanner, tmp_path: Path
) -> None:
    """Stems of one length, unpacked at one time, silent at both ends."""
    folder = tmp_path / "Stems"
    folder.mkdir()
    silence = bytes(END_BYTES)
    for name in ("bass", "drums", "keys"):
        (folder / f"{name}.wav").write_bytes(silence + name.ljust(10).encode() + silence)
        os.utime(folder / f"{name}.wav", ns=(10**18, 10**18))
    scan.add(folder)
    scan()
    (folder / "Song").mkdir()
    for name in ("bass", "drums", "keys"):
        (folder / f"{name}.wav").rename(folder / f"Song/{name}.wav")
    assert len(scan().moved) == 3
    assert scan.read == []
    # Without names nothing tells them apart: they are read, and nothing is wrong.
    for name in ("bass", "drums", "keys"):
        (folder / f"Song/{name}.wav").rename(folder / f"Song/my {name}.wav")
    assert scan().moved == []
    assert scan.read == ["Song/my bass.wav", "Song/my drums.wav", "Song/my keys.wav"]
    assert_library_is_true(scan, [folder])


def test_moves_between_roots(scan: Scanner, sounds: Path, tmp_path: Path) -> None:
    other = tmp_path / "Other"
    other.mkdir()
    (other / "there.wav").write_bytes(b"there")
    scan.add(sounds)
    second = scan.add(other)
    scan()
    (sounds / "kick.wav").rename(other / "kick.wav")
    scan(second)  # the first isn't walked
    assert scan.read == []
    (other / "kick.wav").rename(sounds / "Loops/boom.wav")
    found = scan()
    assert (scan.read, found.missing) == ([], [])
    assert_library_is_true(scan, [sounds, other])


@pytest.mark.parametrize("apart", [2 * 10**9, -(10**9), HOUR, -2 * HOUR, HOUR + 10**9])
def test_times_that_fat_volumes_show_differently(scan: Scanner, sounds: Path, apart: int) -> None:
    scan.add(sounds)
    scan()
    for name in ("kick.wav", "Loops/beat.wav"):
        age(sounds / name, apart)
    found = scan()
    assert (scan.read, found.unchanged) == ([], 4)
    assert scan().touched == []
    # The same step with other content at the end is a change,
    with (sounds / "Loops/beat.wav").open("r+b") as file:
        status = os.stat(file.fileno())
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    os.utime(sounds / "Loops/beat.wav", ns=(0, status.st_mtime_ns + apart))
    scan()
    assert scan.read == ["Loops/beat.wav"]


@pytest.mark.parametrize("apart", [5 * 10**9, HOUR // 2, 123_456_789, 30 * HOUR])
def test_other_steps_in_time_are_changes(scan: Scanner, sounds: Path, apart: int) -> None:
    os.utime(sounds / "kick.wav", ns=(0, 1_700_000_000_123_456_789))
    scan.add(sounds)
    scan()
    age(sounds / "kick.wav", apart)
    scan()
    assert scan.read == ["kick.wav"]


def test_deleted_files_are_missing_and_come_back(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    scan()
    shutil.move(sounds / "Loops", sounds.parent / "aside")
    (sounds / "bad.wav").rename(sounds.parent / "bad.wav")
    assert len(scan().missing) == 3
    assert scan.states() == {
        "kick.wav": "ok",
        "Loops/beat.wav": "missing",
        "Loops/slow.MP3": "missing",
        "bad.wav": "missing",
    }
    assert scan().missing == []
    shutil.move(sounds.parent / "aside", sounds / "Loops")
    (sounds.parent / "bad.wav").rename(sounds / "bad.wav")
    scan()
    assert scan.read == []
    assert set(scan.states().values()) == {"ok", "failed"}


def test_a_missing_file_that_turns_up_elsewhere(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    scan()
    (sounds / "kick.wav").rename(sounds.parent / "kick.wav")
    scan()
    (sounds.parent / "kick.wav").rename(sounds / "Loops/kick 2.wav")
    scan()
    assert scan.read == []
    assert "kick.wav" not in scan.states()


@pytest.mark.parametrize("how", ["away", "empty", "no sounds left"])
def test_a_root_that_is_away_or_suddenly_empty_waits(scan: Scanner, sounds: Path, how: str) -> None:
    root = scan.add(sounds)
    scan()
    before = scan.states()
    away = sounds.parent / "away"
    sounds.rename(away)
    if how != "away":
        sounds.mkdir()
    if how == "no sounds left":
        (sounds / "readme.txt").write_text("mount point of the sample drive")
    found = scan()
    assert [r.id for r in found.offline] == [root.id]
    assert set(scan.states().values()) == {"offline"}
    assert scan.library.roots()[0].state == "offline"
    assert scan().missing == []
    if how != "away":
        shutil.rmtree(sounds)
    away.rename(sounds)
    scan()
    assert (scan.read, scan.states(), scan.library.roots()[0].state) == ([], before, "ok")


def test_another_volume_at_the_roots_place(
    scan: Scanner, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soundsearch.scan import walk

    monkeypatch.setattr(walk, "volume_of", lambda path: "STICK-1")
    scan.add(sounds)
    scan()
    shutil.move(sounds, sounds.parent / "stick 1")
    sounds.mkdir()
    (sounds / "foreign.wav").write_bytes(b"foreign")
    monkeypatch.setattr(walk, "volume_of", lambda path: "STICK-2")
    assert len(scan().offline) == 1
    assert scan.read == []
    # The same volume with other content is the person's doing.
    monkeypatch.setattr(walk, "volume_of", lambda path: "STICK-1")
    scan()
    assert scan.read == ["foreign.wav"]
    assert scan.states()["kick.wav"] == "missing"


def test_an_empty_new_root_is_no_trouble(scan: Scanner, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    scan.add(tmp_path / "empty")
    found = scan()
    assert (found.offline, found.found) == ([], 0)


def test_relocated_roots_read_nothing(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds)
    scan()
    before = scan.states()
    sounds.rename(sounds.parent / "Moved")
    scan()
    scan.library.relocate(str(sounds), str(sounds.parent / "Moved"))
    found = scan()
    assert (scan.read, found.unchanged, scan.states()) == ([], 4, before)


def test_a_parent_added_later_reads_only_what_is_new(scan: Scanner, sounds: Path) -> None:
    scan.add(sounds / "Loops")
    scan()
    scan.add(sounds)
    scan()
    assert scan.read == ["bad.wav", "kick.wav"]
    assert_library_is_true(scan, [sounds])


def test_the_newest_root_is_read_first(scan: Scanner, sounds: Path, tmp_path: Path) -> None:
    (tmp_path / "Z").mkdir()
    (tmp_path / "Z/new.wav").write_bytes(b"new")
    scan.add(sounds)
    newest = scan.add(tmp_path / "Z")
    found = plan(scan.library, scan.library.roots(), EXTENSIONS)
    assert found.to_read[0].root_id == newest.id


def test_the_caller_can_end_a_walk(scan: Scanner, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(1500):
        (folder / f"{i}.wav").touch()
    scan.add(folder)
    seen: list[int] = []

    def stop(found: int) -> None:
        seen.append(found)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan(scan.library, scan.library.roots(), EXTENSIONS, on_found=stop)
    assert 0 < seen[0] <= 1500
    assert scan.states() == {}


def test_files_in_a_cloud_are_listed_and_never_read(
    scan: Scanner, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soundsearch.scan import candidates

    root = scan.add(sounds)
    (sounds / "Loops/beat.wav").rename(sounds / "late.wav")
    scan()
    (sounds / "cloud.wav").write_bytes(b"cloud")
    monkeypatch.setattr(candidates, "_in_cloud", lambda status: status.st_size < 100)
    found = scan()
    assert (scan.read, found.unchanged) == ([], 4)
    assert scan.states() == {
        "kick.wav": "online",
        "Loops/slow.MP3": "online",
        "bad.wav": "online",
        "cloud.wav": "online",
        "late.wav": "ok",
    }
    assert len(list(Walk(root, Rules(EXTENSIONS)))) == 5
    monkeypatch.undo()
    scan()
    assert scan.read == ["cloud.wav"]
    assert scan.states() == {
        "kick.wav": "ok",
        "Loops/slow.MP3": "ok",
        "bad.wav": "failed",
        "cloud.wav": "ok",
        "late.wav": "ok",
    }


class AsListed:
    """A directory entry whose status the system reports with further fields."""

    def __init__(self, entry: "os.DirEntry[bytes]", fields: dict[str, int]) -> None:
        self._entry, self._fields = entry, fields
        self.name = entry.name
        self.is_dir, self.is_symlink = entry.is_dir, entry.is_symlink

    def stat(self) -> SimpleNamespace:
        status = self._entry.stat()
        known = {n: getattr(status, n) for n in ("st_mode", "st_size", "st_mtime_ns")}
        return SimpleNamespace(**known, **self._fields)


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"st_file_attributes": 0x400000}, False),  # RECALL_ON_DATA_ACCESS: OneDrive
        ({"st_file_attributes": 0x40000 | 0x20}, False),  # RECALL_ON_OPEN
        ({"st_file_attributes": 0x1000}, False),  # OFFLINE: on tape
        ({"st_flags": 0x40000000}, False),  # SF_DATALESS: iCloud
        ({"st_file_attributes": 0x80000 | 0x20}, True),  # PINNED: always on this machine
        ({"st_flags": 0x40}, True),  # UF_TRACKED
    ],
)
def test_what_the_system_says_lies_in_a_cloud_is_never_opened(
    scan: Scanner, sounds: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, int], read: bool
) -> None:
    scandir = os.scandir

    @contextlib.contextmanager
    def listing(path: bytes) -> Iterator[list[AsListed]]:
        with scandir(path) as entries:
            yield [
                AsListed(entry, fields if entry.name == b"kick.wav" else {}) for entry in entries
            ]

    monkeypatch.setattr(os, "scandir", listing)
    opened: list[object] = []
    monkeypatch.setattr(os, "open", _noting(opened, os.open))
    scan.add(sounds)
    scan()
    assert scan.states()["kick.wav"] == ("ok" if read else "online")
    names = {os.path.basename(os.fsdecode(path)) for path in opened}
    assert ("kick.wav" in names) == read
    assert "slow.MP3" in names


def _noting(noted: list[object], call: Callable[..., int]) -> Callable[..., int]:
    def noting(path: object, *rest: object, **named: object) -> int:
        noted.append(path)
        return call(path, *rest, **named)

    return noting


@pytest.mark.parametrize("size", [0, 1, END_BYTES, END_BYTES + 1, 2 * END_BYTES, 3 * END_BYTES])
def test_the_quick_hash_sees_both_ends(tmp_path: Path, size: int) -> None:
    file = tmp_path / "x.wav"
    content = bytearray(os.urandom(size))
    file.write_bytes(content)
    before = quick_hash(os.fsencode(file))
    assert before == identity(content[:END_BYTES] + content[max(END_BYTES, size - END_BYTES) :])
    for place in {0, min(size, END_BYTES) - 1, size - 1} if size else ():
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        assert quick_hash(os.fsencode(file)) != before


def test_the_quick_hash_waits_for_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert quick_hash(os.fsencode(tmp_path / "pipe.wav")) is None
    assert quick_hash(os.fsencode(tmp_path / "not there.wav")) is None
    assert quick_hash(os.fsencode(tmp_path)) is None


def assert_library_is_true(scan: Scanner, folders: list[Path]) -> None:
    """The plain reference: every file's hash, and what the library says of the same place."""
    on_disk = {
        os.fsencode(path): identity(path.read_bytes())
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in EXTENSIONS and path.is_file()
    }
    ids = [i for (i,) in scan.library.db.execute("SELECT id FROM files WHERE state != 'missing'")]
    said = {row.place: row.identity for row in scan.library.files(ids).values()}
    assert said == {
        place: None if Path(os.fsdecode(place)).read_bytes().startswith(b"bad") else content
        for place, content in on_disk.items()
    }


@pytest.mark.parametrize("seed", range(8))
def test_after_any_mess_the_library_is_true_and_known_sounds_are_never_new(
    scan: Scanner, tmp_path: Path, seed: int
) -> None:
    """Random edits, each followed by a scan, against the hashes of all files."""
    chance = random.Random(seed)
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        for folder in ("a", "b/c"):
            (root / folder).mkdir(parents=True)
        scan.add(root)

    def some_folder() -> Path:
        folders = [f for root in roots for f in (root, *root.rglob("*")) if f.is_dir()]
        return chance.choice(sorted(folders))

    def new_content() -> bytes:
        return chance.choice([b"bad", b"", b"x" * 70_000, b"y" * 140_000]) + chance.randbytes(3)

    for _ in range(12):
        for _ in range(chance.randint(1, 6)):
            files = sorted(f for root in roots for f in root.rglob("*.wav"))
            goal = some_folder() / f"{chance.choice('abcdef')}.wav"
            action = chance.choice(
                ["new", "new", "move", "rename", "edit", "copy", "delete", "swap"]
            )
            if action == "new" or not files:
                goal.write_bytes(new_content())
                continue
            file = chance.choice(files)
            if action == "move":
                file.replace(some_folder() / file.name)
            elif action == "rename":
                file.replace(goal)
            elif action == "edit":
                file.write_bytes(new_content())
            elif action == "copy":
                if goal != file:
                    shutil.copy2(file, goal)
            elif action == "delete" and len(files) > 6:
                file.unlink()
            elif action == "swap":
                other = chance.choice(files)
                third = file.with_name("third")
                file.replace(third)
                if other != file:
                    other.replace(file)
                third.replace(other)
        if any(not list(root.rglob("*.wav")) for root in roots):
            for root in roots:
                (root / "never empty.wav").write_bytes(b"never empty")
        scan()
        assert_library_is_true(scan, roots)
        assert plan(scan.library, scan.library.roots(), EXTENSIONS).to_read == []
