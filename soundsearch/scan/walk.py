"""Folders → what has to be read: candidates compared with the library.

`plan` walks, compares and returns a Plan; `settle` writes the part of it for which nothing must
be read; the rest, `Plan.to_read`, is decoded by the pipeline.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from soundsearch.library.catalog import Library
from soundsearch.library.roots import volume_of
from soundsearch.library.rows import Change, KnownFile, Record, Root, State
from soundsearch.scan.candidates import Candidate, Rules, Unreadable, Walk, quick_hash

_MS = 1_000_000
_SECOND = 1_000 * _MS
_HOUR = 3600 * _SECOND


class Move(NamedTuple):
    """A known file that lies elsewhere now."""

    file_id: int
    to: Candidate


@dataclass
class Plan:
    """What a walk found. Ids are those of files in the library.

    to_read: new and changed files, those of the newest roots first; new, changed: how many of
    each. found: all sounds seen. offline: roots that are away or suddenly empty.
    """

    to_read: list[Candidate] = field(default_factory=list)
    new: int = 0
    changed: int = 0
    found: int = 0
    unchanged: int = 0
    moved: list[Move] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    touched: list[tuple[int, int]] = field(default_factory=list)  # file id, mtime_ns
    online_now: list[int] = field(default_factory=list)
    online_new: list[Candidate] = field(default_factory=list)
    excluded: list[int] = field(default_factory=list)
    offline: list[Root] = field(default_factory=list)
    present: list[tuple[Root, str]] = field(default_factory=list)  # with its volume
    unreadable: list[Unreadable] = field(default_factory=list)


def plan(
    library: Library,
    roots: Sequence[Root],
    extensions: Collection[str],
    patterns: Sequence[str] = (),
    retry: bool = False,
    on_found: Callable[[int], None] = lambda found: None,
) -> Plan:
    """Walks roots and compares them with the library; writes nothing.

    extensions, patterns: see Rules. retry: read failed files again for which that makes sense.
    on_found(sounds seen so far) is called now and then; what it raises ends the walk.
    """
    rules = Rules(extensions, patterns)
    result = Plan()
    matcher = _Matcher(library)
    for root in sorted(roots, key=lambda root: -root.added):
        _compare(library, root, rules, retry, result, matcher, on_found)
    matcher.look_elsewhere({root.id for root in roots})
    moves = matcher.moves()
    result.moved = list(moves.values())
    goals = {move.to for move in result.moved}
    result.missing = [i for i in result.missing if i not in moves]
    result.to_read = [candidate for candidate in result.to_read if candidate not in goals]
    result.changed = sum(candidate in matcher.known for candidate in result.to_read)
    result.new = len(result.to_read) - result.changed
    return result


def settle(plan: Plan, library: Library) -> list[Change]:
    """Writes what the plan knows without reading: moved, missing, back, offline, excluded.

    Returns places whose content is another sound now, for UserData.follow.
    """
    with library.transaction():
        for root, volume in plan.present:
            if root.state != "ok" or volume != root.volume:
                library.set_root_ok(root.id, volume)
        for root in plan.offline:
            library.set_root_offline(root.id)
        changes = library.move(
            [(m.file_id, m.to.root_id, m.to.path, m.to.mtime_ns) for m in plan.moved]
        )
        library.mark(plan.missing, State.MISSING)
        library.mark(plan.online_now, State.ONLINE)
        library.touch(plan.touched)
        library.bring_back(plan.back)
        library.forget(plan.excluded)
        changes += library.record(
            Record(c.root_id, c.path, c.size, c.mtime_ns, None, State.ONLINE)
            for c in plan.online_new
        )
    return changes


def _compare(
    library: Library,
    root: Root,
    rules: Rules,
    retry: bool,
    plan: Plan,
    matcher: "_Matcher",
    on_found: Callable[[int], None],
) -> None:
    """One root: sorts its candidates and what is known of it into the plan and the matcher."""
    known = library.known_files(root.id)
    expected = any(k.state != State.MISSING and rules.path(k.path) for k in known.values())
    known_before = len(known)
    walk = Walk(root, rules, [os.fsencode(library.data)])
    fresh: list[Candidate] = []
    replaced: list[KnownFile] = []
    stepped: list[tuple[Candidate, KnownFile]] = []
    back: list[int] = []
    online: list[int] = []
    found = unchanged = 0
    if os.path.isdir(root.path):
        for candidate in walk:
            found += 1
            if found % 1000 == 0:
                on_found(plan.found + found)
            old = known.pop(candidate.path, None)
            if old is None:
                fresh.append(candidate)
            elif candidate.online:
                unchanged += 1
                if old.state != State.ONLINE:
                    online.append(old.id)
            elif candidate.size == old.size and candidate.mtime_ns == old.mtime_ns:
                if not old.read or (retry and old.retry and old.sound_id is None):
                    matcher.known.add(candidate)
                    plan.to_read.append(candidate)
                    continue
                unchanged += 1
                if old.state in _AWAY:
                    back.append(old.id)
            elif candidate.size == old.size and _is_step(old.mtime_ns, candidate.mtime_ns):
                stepped.append((candidate, old))
            else:
                fresh.append(candidate)
                replaced.append(old)
    volume = volume_of(root.path)
    other_volume = bool(volume and root.volume and volume != root.volume)
    nothing_known = len(known) == known_before
    away = not found and not os.path.isdir(root.path)
    if away or (expected and (not found or (other_volume and nothing_known))):
        plan.offline.append(root)
        plan.unreadable += walk.unreadable
        return
    plan.present.append((root, volume))
    ends = library.ends([old.id for _, old in stepped])
    for candidate, old in stepped:
        mark = ends.get(old.id)
        if mark is not None and quick_hash(os.path.join(root.path, candidate.path)) == mark:
            unchanged += 1
            plan.touched.append((old.id, candidate.mtime_ns))
            if old.state in _AWAY:
                back.append(old.id)
        else:
            fresh.append(candidate)
            replaced.append(old)
    plan.found += found
    plan.unchanged += unchanged
    plan.back += back
    plan.online_now += online
    plan.unreadable += walk.unreadable
    for old in known.values():
        if walk.hides(old.path):
            continue  # nobody knows; it stays as it was
        if not rules.path(old.path):
            plan.excluded.append(old.id)
            continue
        matcher.lost.append((root, old))
        if old.state != State.MISSING:
            plan.missing.append(old.id)
    matcher.lost += [(root, old) for old in replaced]
    in_place = {old.path for old in replaced}
    for candidate in fresh:
        if candidate.online:
            plan.online_new.append(candidate)
            continue
        if candidate.path in in_place:
            matcher.known.add(candidate)
        matcher.fresh.append((root, candidate))
        plan.to_read.append(candidate)
    on_found(plan.found)


class _Matcher:
    """Pairs content that is no longer at its path with content that is new at its path.

    Both have equal size, mtime and ends. Names needn't be equal, so that renamed files are found
    too; among several, the one of equal name is taken, and where several different sounds
    can't be told apart, none.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self.fresh: list[tuple[Root, Candidate]] = []
        self.lost: list[tuple[Root, KnownFile]] = []
        self.known: set[Candidate] = set()  # those of `fresh` whose path the library knows

    def look_elsewhere(self, scanned: set[int]) -> None:
        """Adds files of roots that weren't walked and that are gone from there."""
        wanted = {(c.size, c.mtime_ns) for _, c in self.fresh}
        if not wanted:
            return
        for root in self._library.roots():
            if root.id in scanned or not os.path.isdir(root.path):
                continue
            for old in self._library.known_files(root.id).values():
                if (old.size, old.mtime_ns) in wanted and not os.path.lexists(
                    os.path.join(root.path, old.path)
                ):
                    self.lost.append((root, old))

    def moves(self) -> dict[int, Move]:
        """By file id."""
        wanted = {(c.size, c.mtime_ns) for _, c in self.fresh}
        lost = [old for _, old in self.lost if (old.size, old.mtime_ns) in wanted and old.read]
        if not lost:
            return {}
        ends = self._library.ends([old.id for old in lost])
        by_content: defaultdict[tuple[int, int, bytes], list[KnownFile]] = defaultdict(list)
        for old in lost:
            mark = ends.get(old.id)
            if mark is not None:
                by_content[old.size, old.mtime_ns, mark].append(old)
        sizes = {(size, mtime) for size, mtime, _ in by_content}
        found: dict[int, Move] = {}
        unnamed: defaultdict[tuple[int, int, bytes], list[Candidate]] = defaultdict(list)
        for root, candidate in self.fresh:
            if (candidate.size, candidate.mtime_ns) not in sizes:
                continue
            mark = quick_hash(os.path.join(root.path, candidate.path))
            if mark is None:
                continue
            content = (candidate.size, candidate.mtime_ns, mark)
            name = os.path.basename(candidate.path)
            same = [o for o in by_content.get(content, ()) if os.path.basename(o.path) == name]
            if len({old.sound_id for old in same}) == 1:
                by_content[content].remove(same[0])
                found[same[0].id] = Move(same[0].id, candidate)
            else:
                unnamed[content].append(candidate)
        for content, candidates in unnamed.items():
            left = by_content.get(content, [])
            if len({old.sound_id for old in left}) == 1:
                for old, candidate in zip(left, candidates, strict=False):
                    found[old.id] = Move(old.id, candidate)
        return found


_AWAY = frozenset((State.MISSING, State.OFFLINE, State.ONLINE))


def _is_step(old: int, new: int) -> bool:
    """Whether two mtimes (ns) may be one that a FAT or exFAT volume shows in two ways.

    Up to 2 s when the volume's steps cut it off, whole hours when clocks or time zones change.
    A file edited within 2 s has an mtime that no such volume would keep.
    """
    apart = abs(new - old)
    if apart <= 2 * _SECOND + _MS:
        off = apart % _SECOND
        return new % (10 * _MS) == 0 or min(off, _SECOND - off) <= _MS
    off = apart % _HOUR
    return apart <= 26 * _HOUR and min(off, _HOUR - off) <= 2 * _SECOND
