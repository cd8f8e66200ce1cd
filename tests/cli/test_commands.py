"""The command line as people and scripts use it: real processes on real files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soundsearch.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent.parent
SOUNDS = ROOT / "tests" / "sounds"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "My Sounds"
    (root / "Bells").mkdir(parents=True)
    for name in ("bell 16bit.wav", "bell.flac", "bell.ogg"):
        shutil.copy2(SOUNDS / name, root / "Bells" / name)
    shutil.copy2(SOUNDS / "text.wav", root / "broken.wav")
    shutil.copy2(SOUNDS / "silence.wav", root / "silence.wav")
    return root


class Shell:
    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "soundsearch", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "SOUNDSEARCH_DATA": str(self.data)},
            cwd=self.data.parent,
        )
        assert done.returncode == code, done.stderr
        return done

    def json(self, *arguments: str) -> dict:  # type: ignore[type-arg]
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "data")


def test_from_a_folder_to_results(shell: Shell, folder: Path) -> None:
    report = shell.json("scan", str(folder))
    assert set(report) >= {"files", "new", "unchanged", "moved", "missing", "failed", "embedded"}
    assert (report["files"], report["new"], report["failed"]) == (5, 5, 1)
    assert shell.json("scan")["unchanged"] == 5

    answer = shell.json("search", "bell flac")
    best = answer["results"][0]
    assert best["path"] == str(folder / "Bells" / "bell.flac")
    assert set(best) == {
        *("path", "strength", "sound", "name", "cosine", "why", "start", "duration"),
        *("samplerate", "channels", "format", "state", "places", "takes"),
    }
    assert set(answer) == {"query", "model", "seconds", "nothing_matches", "results"}

    lines = shell("search", "format:flac").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["-"]
    lines = shell("search", "bell", "-n", "2").stdout.splitlines()
    assert len(lines) == 2
    assert all(float(line.split("\t")[0]) > 0 for line in lines)
    assert all(str(folder) in line for line in lines)

    library = shell.json("library")
    assert library["states"] == {"ok": 3, "silent": 1, "failed": 1}
    assert library["roots"] == [{"path": str(folder), "state": "ok", "files": 5}]
    assert library["bytes"] > 0

    failures = json.loads(shell("failures", "--json").stdout)
    assert [failure["path"] for failure in failures] == [str(folder / "broken.wav")]
    assert failures[0]["reason"]


def test_queries_from_a_file_answer_one_json_line_each(shell: Shell, folder: Path) -> None:
    shell("scan", str(folder))
    queries = folder.parent / "queries.txt"
    queries.write_text("bell\n\nbell format:flac\n", encoding="utf-8")
    done = shell("search", "--queries", str(queries), "--takes", "--json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["query"] for answer in answers] == ["bell", "bell format:flac"]
    assert [len(answer["results"]) for answer in answers] == [3, 1]


def test_unreadable_queries_are_one_plain_line(shell: Shell, folder: Path) -> None:
    shell("scan", str(folder))
    odd = folder.parent / "odd.txt"
    odd.write_bytes(b"\xff\xfe\x80")
    for file, said in ((folder.parent / "none.txt", "(No such file"), (odd, "not text in UTF-8")):
        done = shell("search", "--queries", str(file), code=1)
        assert said in done.stderr
        assert "Errno" not in done.stderr
        assert done.stderr.count("\n") == 1


def test_retry_tells_of_the_files_that_are_not_worth_it(shell: Shell, folder: Path) -> None:
    shell("scan", str(folder))
    done = shell("failures", "--retry")
    assert len(done.stdout.splitlines()) == 1
    assert "0 embedded, 1 still fails" in done.stderr


def test_retry_tells_what_it_embedded_when_nothing_fails_any_more(
    shell: Shell, folder: Path
) -> None:
    shell("scan", str(folder))
    shutil.copy(SOUNDS / "bell 24bit stereo.wav", folder / "broken.wav")
    done = shell("failures", "--retry")
    assert done.stdout == ""
    assert "1 embedded." in done.stderr


def test_global_options_stand_before_or_after(shell: Shell, folder: Path) -> None:
    other = folder.parent / "other data"
    shell("--data", str(other), "scan", str(folder))
    for arguments in (("--json", "library"), ("library", "--json")):
        found = json.loads(shell(*arguments, "--data", str(other)).stdout)
        assert found["files"] == 5
    assert not shell.data.exists()


def test_remove_and_relocate(shell: Shell, folder: Path) -> None:
    shell("scan", str(folder))
    moved = folder.with_name("Moved")
    folder.rename(moved)
    shell("relocate", str(folder), str(moved))
    assert shell.json("scan")["unchanged"] == 5
    assert shell.json("search", "bell")["results"][0]["path"].startswith(str(moved))
    shell("remove", str(moved))
    assert shell.json("library")["files"] == 0
    assert (moved / "Bells" / "bell.flac").exists()


def test_demo_sounds_are_written_and_found(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "demo sounds"
    shell("demo", "--no-window", str(folder))
    assert len(list(folder.rglob("*.wav"))) >= 75
    assert "kick" in shell.json("search", "kick drum")["results"][0]["path"].lower()


BAD = [
    (("search", "bell"), "no library yet"),
    (("search",), "query is missing"),
    (("search", "--queries", "/nowhere/file"), "can't be read"),
    (("scan", "/nowhere/at/all"), "/nowhere/at/all"),
    (("scan", ""), "name is empty"),
    (("search", "bell", "--queries", "/nowhere/file"), "not both"),
    (("similar", "/nowhere.wav", "--start", "nan"), "region is empty"),
    (("relocate", "/nowhere", "/nowhere else"), "not a folder"),
    (("similar", "/nowhere.wav"), ""),
    (("--model", "nosuch", "search", "bell"), "no model named nosuch"),
    (("remove", "/nowhere"), "/nowhere"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_bad_input_is_one_clear_line(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    done = shell(*arguments, code=1)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("soundsearch: ")
    assert says in lines[0]


def test_a_data_folder_that_is_a_file_is_one_clear_line(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = Shell(tmp_path / "file")("scan", str(folder), code=1)
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_library_of_a_newer_version_is_refused(shell: Shell, folder: Path) -> None:
    import sqlite3

    shell("scan", str(folder))
    db = sqlite3.connect(shell.data / "library.db")
    db.execute("PRAGMA user_version = 999")
    db.commit()
    db.close()
    for arguments in (("search", "bell"), ("scan",)):
        done = shell(*arguments, code=1)
        assert "newer" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_second_writer_is_told_who_holds_the_library(shell: Shell, folder: Path) -> None:
    from soundsearch.library.catalog import Library

    shell("scan", str(folder))
    with Library.open(shell.data, write=True, doing="a test"):
        done = shell("scan", code=1)
        assert "a test" in done.stderr
        assert shell.json("search", "bell")["results"]  # readers need no lock


def test_usage_errors_exit_with_two(shell: Shell) -> None:
    assert "usage" in shell("nosuchcommand", code=2).stderr
    assert "usage" in shell("search", "-n", "0", "x", code=2).stderr


def test_doctor_names_what_it_checked(shell: Shell) -> None:
    checks = {check["name"]: check for check in shell.json("doctor")["checks"]}
    assert set(checks) >= {"python", "torch", "transformers", "device", "PaSST", "data folder"}
    assert checks["PaSST"]["ok"], checks["PaSST"]
    assert checks["torch"]["ok"]
    assert all(check["ok"] or check["detail"] for check in checks.values())


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_and_stands_in_readme(shell: Shell, command: str) -> None:
    help_text = shell(command, "--help").stdout
    assert "usage: soundsearch" in help_text
    assert len(help_text.splitlines()) > 5
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_format_is_found_by_any_of_its_names(shell: Shell, folder: Path) -> None:
    shutil.copy(SOUNDS / "bell.aiff", folder)
    shell("scan", str(folder))
    for name in ("aif", "aiff", "AIFC"):
        (line,) = shell("search", f"format:{name}").stdout.splitlines()
        assert line.split("\t")[1].endswith("bell.aiff")
