"""Text in and around sound files: metadata, words of names, UCS categories.

Light: what search needs of it (`split_words`) imports the standard library only.
"""

import json
import re
import struct
import unicodedata
from functools import lru_cache
from typing import Any, BinaryIO
from xml.etree import ElementTree

from soundsearch.audio.chunks import Chunk, read_chunks, read_content
from soundsearch.paths import resources

# One text is cut here, so that a broken or hostile file can't flood the library.
_LONGEST = 4000
_LONGEST_NAME = 64
_MOST_TEXTS = 64

_INFO_NAMES = {
    "INAM": "title", "IART": "artist", "IPRD": "album", "ICMT": "comment", "IGNR": "genre",
    "IKEY": "keywords", "ISBJ": "subject", "ICRD": "date", "IENG": "engineer", "ISRC": "source",
    "ITCH": "technician", "IMED": "medium", "ICOP": "copyright",
}  # fmt: skip
_AIFF_NAMES = {"NAME": "title", "AUTH": "artist", "ANNO": "comment", "(c) ": "copyright"}
# Facts of the encoding and numbers that stand among the texts.
_NOT_TEXT = frozenset(
    (
        "filename", "filesize", "mime_type", "duration", "channels", "bitrate", "bitdepth",
        "samplerate", "is_lossless", "encoder_settings", "encoded_by", "encoder", "vendor",
        "itunsmpb", "itunnorm", "software", "isft", "track", "track_total", "disc", "disc_total",
    )
)  # fmt: skip

# Letters that Unicode doesn't take apart into a base and an accent.
_FOLDED = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "æ": "ae", "Æ": "AE",
     "œ": "oe", "Œ": "OE", "ß": "ss", "ẞ": "SS", "þ": "th", "Þ": "TH", "ð": "d", "Ð": "D",
     "'": None, "’": None}
)  # fmt: skip
_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic letters
_ASCII_WORD = re.compile(r"[0-9]+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def read_tags(path: bytes | str) -> dict[str, str]:
    """Every text in a sound file, by a lower-case name for its kind ("title", "description", …).

    BWF description and originator, iXML, RIFF INFO, AIFF texts, ID3, Vorbis comments, MP4 and WMA
    tags. {} when there is none or the file can't be read; never raises for a broken file.
    """
    # Not at the top: the window asks this module for words and must not load decoders.
    from soundsearch.audio.decode import DecodeError, open_regular

    texts: dict[str, str] = {}
    try:
        with open_regular(path) as file:
            for chunk in read_chunks(file):
                for name, text in _chunk_texts(file, chunk):
                    _add(texts, name, text)
            ours = set(texts)  # read with more care for old encodings
            for name, text in _common_tags(file):
                if name not in ours:
                    _add(texts, name, text)
    except (OSError, DecodeError):
        pass
    return texts


def split_words(text: str) -> list[str]:
    """Lower-case words of a name or sentence, without accents.

    Words end at case changes, between letters and digits, and at everything that is neither:
    "KickDrum808_Hard" → kick drum 808 hard. Apostrophes vanish: "dog's" → dogs.
    """
    text = text.translate(_FOLDED)
    if text.isascii():
        return [word.lower() for word in _ASCII_WORD.findall(text)]
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).translate(_FOLDED)
    plain = unicodedata.normalize("NFC", plain)  # puts Hangul and kana together again
    if plain.isascii():
        return [word.lower() for word in _ASCII_WORD.findall(plain)]
    return _split_any_script(plain)


def ucs_text(stem: str) -> str:
    """Category, subcategory and synonyms of a name that begins with a UCS CatID, else "".

    stem: a file name without its extension, "CatID_FXName_CreatorID_SourceID", the CatID also
    with a category of the user's own behind a hyphen.
    """
    first, underscore, _ = stem.partition("_")
    if not underscore:
        return ""
    # In exact case, for RAIN and WIND are CatIDs and "Rain" is just a name.
    return _ucs_table().get(first.partition("-")[0].strip(), "")


def _split_any_script(text: str) -> list[str]:
    words: list[str] = []
    word = ""
    kinds = [_kind(c) for c in text]
    for i, (char, kind) in enumerate(zip(text, kinds, strict=True)):
        before = kinds[i - 1] if i else " "
        after = kinds[i + 1] if i + 1 < len(kinds) else " "
        joins = kind == before or kind == "m" or (before == "U" and kind == "l")
        if before == "m" and kind == "o":
            joins = True
        # The last capital of a run begins the next word: "SFXBoom" → sfx boom.
        if kind == "U" and before == "U" and after == "l":
            joins = False
        if kind == " " or not joins:
            if word:
                words.append(word.lower())
            word = ""
        if kind != " ":
            word += char
    if word:
        words.append(word.lower())
    return words


def _kind(char: str) -> str:
    """U upper case, l lower case, o without case, m mark on a letter, d digit, else a space."""
    if char.isdecimal():
        return "d"
    if char.isupper():
        return "U"
    if char.islower():
        return "l"
    if char.isalpha():
        return "o"
    return "m" if unicodedata.category(char).startswith("M") else " "


def _add(texts: dict[str, str], name: str, text: str) -> None:
    """Keep a text unless it is empty or already there; a second of the same name is appended."""
    text = " ".join(text.replace("\x00", " ").split())[:_LONGEST]
    name = " ".join(name.replace("\x00", " ").split())[:_LONGEST_NAME] or "text"
    if not text or len(texts) >= _MOST_TEXTS or any(text in known for known in texts.values()):
        return
    texts[name] = f"{texts[name]} {text}"[:_LONGEST] if name in texts else text


def _chunk_texts(file: BinaryIO, chunk: Chunk) -> list[tuple[str, str]]:
    if chunk.name == "bext":
        return _bext(read_content(file, chunk, 602))
    if chunk.name == "LIST":
        return _info(read_content(file, chunk))
    if chunk.name == "iXML":
        return _ixml(read_content(file, chunk))
    if chunk.name in _AIFF_NAMES:
        return [(_AIFF_NAMES[chunk.name], _text(read_content(file, chunk)))]
    return []


def _bext(content: bytes) -> list[tuple[str, str]]:
    """Broadcast extension (EBU Tech 3285): fixed fields of 256, 32 and 32 bytes first."""
    if len(content) < 320:
        return []
    return [
        ("description", _text(content[:256])),
        ("originator", _text(content[256:288])),
        ("originator_reference", _text(content[288:320])),
    ]


def _info(content: bytes) -> list[tuple[str, str]]:
    """RIFF INFO: four letters, size, text, padded to even lengths."""
    if content[:4] != b"INFO":
        return []
    texts = []
    position = 4
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        position += 8
        key = name.decode("latin-1")
        if key in _INFO_NAMES:
            text = _text(content[position : position + size])
            texts.append((_INFO_NAMES[key], text))
        position += size + size % 2
    return texts


def _ixml(content: bytes) -> list[tuple[str, str]]:
    """Every leaf with words in it; track lists and numbers say nothing about the sound."""
    try:
        root = ElementTree.fromstring(content.strip(b"\x00 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return []
    return [
        (leaf.tag.rpartition("}")[2].lower(), leaf.text)
        for leaf in root.iter()
        if leaf.text and not len(leaf) and any(c.isalpha() for c in leaf.text)
    ]


def _common_tags(file: BinaryIO) -> list[tuple[str, str]]:
    """ID3, Vorbis comments, MP4 and WMA tags."""
    from tinytag import TinyTag

    try:
        file.seek(0)
        found: dict[str, Any] = TinyTag.get(file_obj=file, duration=False).as_dict()
    except Exception:  # a tag reader meets every kind of broken file
        return []
    texts = []
    for name, values in found.items():
        name = name.strip("_").lower()
        if name in _NOT_TEXT:
            continue
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                texts.append((name, value))
    return texts


def _text(content: bytes) -> str:
    """Text up to the first zero byte; UTF-8 when it is that, else as Windows wrote it."""
    content = content.partition(b"\x00")[0]
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


@lru_cache(maxsize=1)
def _ucs_table() -> dict[str, str]:
    """CatID → its words. Universal Category System 8.2.1 (CC0-1.0)."""
    with (resources() / "ucs.json").open(encoding="utf-8") as file:
        table: dict[str, str] = json.load(file)
    return table
