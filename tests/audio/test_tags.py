"""Texts of files, words of names, UCS categories."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.audio.tags import read_tags, split_words, ucs_text

SOUNDS = Path(__file__).parents[1] / "sounds"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("bell.aiff", "Aiff bell"),
        ("bell.flac", "Flac bell"),
        ("bell.opus", "Opus bell"),
        ("bell.mp3", "Id3 bell"),
        ("bell.m4a", "Mp4 bell"),
        ("bell.wma", "Wma bell"),
        ("really mp3.wav", "Id3 bell"),
    ],
)
def test_titles_are_found(name: str, title: str) -> None:
    assert read_tags(SOUNDS / name)["title"] == title


def test_vorbis_comments() -> None:
    assert "vorbis comment" in read_tags(SOUNDS / "bell.ogg").values()


def test_broadcast_wave() -> None:
    tags = read_tags(SOUNDS / "BELLLrg_Village Angelus_Ada_01.wav")
    assert tags["description"] == "Church bell, close"
    assert tags["originator"] == "Ada"
    assert tags["note"] == "evening toll"
    assert tags["project"] == "Villages"
    assert tags["title"] == "Angelus"
    assert tags["comment"] == "für später"
    assert "tape" not in tags  # only a number


@pytest.mark.parametrize("name", ["bell 16bit.wav", "empty.wav", "text.wav", "._bell.wav", "no"])
def test_no_texts(name: str) -> None:
    assert read_tags(SOUNDS / name) == {}


def test_broken_files_never_raise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for source in sorted(SOUNDS.iterdir()):
        content = source.read_bytes()
        for attempt in range(10):
            broken = bytearray(content)
            at = int(rng.integers(0, 200))
            broken[at : at + 12] = rng.bytes(12)
            path = tmp_path / f"x{attempt}{source.suffix}"
            path.write_bytes(broken[: int(rng.integers(1, len(broken) + 2))])
            assert isinstance(read_tags(path), dict)


def test_hostile_sizes_and_entities(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 1000 + b'">]><a>' + b"&b;" * 1000 + b"</a>"
    chunks = b"iXML" + struct.pack("<I", len(bomb)) + bomb + b"LIST" + struct.pack("<I", 2**32 - 1)
    chunks += b"INFOINAM" + struct.pack("<I", 2**31) + b"name"
    body = b"WAVE" + chunks
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert all(len(text) <= 4000 for text in read_tags(path).values())


def test_long_texts_are_cut(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "x.flac", "w", 8000, 1) as file:
        file.comment = "word " * 5000
        file.write(np.zeros(100))
    assert len(read_tags(tmp_path / "x.flac")["comment"]) <= 4000


def test_names_of_texts_are_cut_and_one_line(tmp_path: Path) -> None:
    """A Vorbis comment's name is as long and as odd as the file wants it."""
    comments = [b"X" * 9000 + b"=long", b"\nodd\0  key\n=odd", b" =nameless"]
    block = struct.pack("<II", 0, len(comments))
    block += b"".join(struct.pack("<I", len(comment)) + comment for comment in comments)
    content = (SOUNDS / "bell.flac").read_bytes()[:42]  # the mark and STREAMINFO
    header = bytes([0x84]) + len(block).to_bytes(3, "big")
    (tmp_path / "x.flac").write_bytes(content + header + block)
    tags = read_tags(tmp_path / "x.flac")
    assert set(tags.values()) >= {"long", "odd"}
    assert all(0 < len(name) <= 64 and name == " ".join(name.split()) for name in tags)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("KickDrum808_Hard", "kick drum 808 hard"),
        ("SFXBoom", "sfx boom"),
        ("808s & Snares (vol.2)", "808 s snares vol 2"),
        ("dog's Bark-24bit.wav", "dogs bark 24 bit wav"),
        ("Vögel im Wald 🐦", "vogel im wald"),
        ("Vo\u0308gel", "vogel"),
        ("Kïck 01 [Punchy] #A", "kick 01 punchy a"),
        ("Straße Ørsted Łódź", "strasse orsted lodz"),
        ("ПриветМир", "привет мир"),
        ("東京Tokyo2", "東京 tokyo 2"),
        ("हिन्दी गाना", "हिन्दी गाना"),
        ("한국어 ガラス", "한국어 ガラス"),
        ("line\nbreak\tand\x00zero", "line break and zero"),
        ("bad \udcff byte", "bad byte"),
        ("", ""),
        ("___ --", ""),
    ],
)
def test_words(text: str, words: str) -> None:
    assert split_words(text) == words.split()


def test_words_are_stable() -> None:
    """Words split again stay as they are, so that names and queries always meet."""
    for text in ("KickDrum808", "ПриветМир 東京Tokyo", "Straße Æther İstanbul ﬁlter", "हिन्दी"):
        words = split_words(text)
        assert split_words(" ".join(words)) == words


def test_ucs_names() -> None:
    text = ucs_text("BELLLrg_Village Angelus_Ada_01")
    assert text.startswith("bells large")
    assert "church" in text.split()
    assert ucs_text("AIRBrst-Valves_Can Opening_AB_XY") == ucs_text("AIRBrst_x_y_z")
    assert ucs_text("RAIN_Steady_AB_XY")


@pytest.mark.parametrize("stem", ["Kick_01", "Rain_01", "BELLLrg", "", "_x", "AIRBrstX_a"])
def test_other_names_have_no_category(stem: str) -> None:
    assert ucs_text(stem) == ""


def test_words_need_no_decoder() -> None:
    code = (
        "import sys, soundsearch.audio.tags as t; t.split_words('a'); t.ucs_text('RAIN_a');"
        "print([m for m in ('soundfile', 'av', 'soxr', 'numpy', 'tinytag') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
