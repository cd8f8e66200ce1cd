"""Short labels become sentences, and the texts that the text encoder learns the language from."""

import csv
import json
import re
from pathlib import Path

import numpy as np

from soundsearch.errors import UserError
from soundsearch.training.data import Clip

TEMPLATES = (
    "{}",
    "the sound of {}",
    "a recording of {}",
    "{} sound effect",
    "{} is heard",
    "someone recorded {}",
)
JOINS = ("{} and {}", "{} with {} in the background", "{}, then {}", "{} while {} is heard")
# Words that people describe sounds with; combined with what sounds, they teach how words join.
ADJECTIVES = (
    "short long soft loud quiet deep high low bright dark metallic wooden plastic glassy hollow "
    "distant close wet dry sharp dull muffled noisy crunchy warm harsh gentle heavy light fast "
    "slow rhythmic steady sudden single repeated continuous resonant ringing rattling buzzing "
    "humming rumbling crackling squeaky creaky scratchy gritty smooth breathy airy punchy tight "
    "boomy thin thick clean distorted detuned rising falling wobbling pulsing echoing reverberant "
    "electronic synthetic acoustic analog digital mechanical human animal natural eerie scary "
    "happy sad angry calm tense small large big tiny huge old rusty broken cheap toy vintage "
    "modern industrial magical futuristic medieval underwater indoor outdoor"
).split()
HEADS = (
    "hit thud knock click clank clang bang crash snap pop beep blip buzz hum drone pad riser "
    "whoosh swish sweep impact boom rumble rattle scrape squeak creak crackle hiss splash drip "
    "gurgle sizzle rustle jingle chime ring tone note chord melody loop beat groove voice shout "
    "scream whisper laugh breath footstep engine machine motor alarm siren ambience texture "
    "noise sound effect sample"
).split()
ADDITIONS = (
    "with a long tail", "with a short decay", "with reverb", "with echo", "with a sharp attack",
    "in a large room", "in a small room", "in the distance", "close up", "outdoors", "indoors",
    "at night", "on wood", "on metal", "on stone", "on gravel", "in water", "made of glass",
    "going up", "going down", "getting louder", "fading away", "again and again", "far away",
    "in the background", "from a game", "from a film", "for an interface", "in a forest",
    "in the street", "by hand", "with a stick",
)  # fmt: skip
# What a lexicographer's file number of WordNet stands for; these hold most of what can be heard.
_HEARD_FILES = {"04", "05", "06", "11", "19", "29", "32", "35", "39", "43"}
_SOUND_WORDS = re.compile(
    r"\b(sound|noise|noisy|hear|heard|loud|ring|bell|music|musical|drum|voice|cry|song|tone|"
    r"whistl|buzz|rattl|bang|crash|click|hum|roar|bark|instrument|engine|machine|weapon|bird|"
    r"animal|wind|rain|water|vehicle|door|metal|wood|glass|foot|step|explo|siren|alarm)"
)


def captions(clip: Clip, count: int, random: np.random.Generator) -> list[str]:
    """`count` captions of a clip: its label, its label with tags, templates. The label is first."""
    tags = [word for word in clip.tags.split() if word not in clip.label.split()]
    found = [clip.label]
    for _ in range(count - 1):
        text = clip.label
        if tags and random.random() < 0.65:
            first = int(random.integers(0, len(tags)))
            some = tags[first : first + int(random.integers(1, 5))]
            text = f"{clip.label}, {' '.join(some)}"
        found.append(str(random.choice(TEMPLATES)).format(text))
    return found


def corpus(clips: list[Clip], text_folder: Path, wordnet: Path, seed: int = 1) -> list[str]:
    """Texts for the text encoder, each once: captions and joined captions, the ontology, the UCS
    words, of WordNet frequent words and glosses of what can be heard, and phrases put together.

    text_folder holds ucs.json, audioset_ontology.json and audioset_classes.csv. Raises UserError.
    """
    random = np.random.default_rng(seed)
    texts: list[str] = []
    for clip in clips:
        texts += captions(clip, 3, random)
        texts += [f"{clip.label} {clip.tags}"] if clip.tags else []
    labels = sorted({clip.label for clip in clips})
    for _ in range(2500):
        one, other = random.choice(labels, 2)
        texts.append(str(random.choice(JOINS)).format(one, other))
    try:
        texts += _classes(text_folder)
        texts += _ontology(text_folder)
        texts += _ucs(text_folder, random)
        texts += _wordnet(wordnet)
        texts += _phrases([*labels, *_synonyms(text_folder)], 30_000, random)
    except OSError as error:
        raise UserError(f"A text source is missing ({error})") from None
    tidy = (re.sub(r"\s+", " ", text).strip().lower()[:160] for text in texts)
    return list(dict.fromkeys(text for text in tidy if text))


def class_names(text_folder: Path) -> list[str]:
    """The tagger's 527 classes in its order."""
    with open(text_folder / "audioset_classes.csv", encoding="utf-8", newline="") as file:
        return [row["display_name"] for row in csv.DictReader(file)]


def _classes(folder: Path) -> list[str]:
    names = class_names(folder)
    return names + [part.strip() for name in names for part in name.split(",")]


def _ontology(folder: Path) -> list[str]:
    entries = json.loads((folder / "audioset_ontology.json").read_text(encoding="utf-8"))
    texts = []
    for entry in entries:
        texts += [entry["name"], entry["description"].split(". ")[0]]
    return texts


def _ucs(folder: Path, random: np.random.Generator) -> list[str]:
    texts = []
    for row in json.loads((folder / "ucs.json").read_text(encoding="utf-8")):
        head = f"{row['subcategory']} {row['category']}"
        words = row["synonyms"]
        texts += [head, row["explanation"], *words]
        for _ in range(4):
            if words:
                size = min(len(words), int(random.integers(1, 4)))
                some = " ".join(str(word) for word in random.choice(words, size, replace=False))
                texts += [f"{some} {row['subcategory']}", some]
    return texts


def _synonyms(folder: Path) -> list[str]:
    rows = json.loads((folder / "ucs.json").read_text(encoding="utf-8"))
    return sorted({str(word) for row in rows for word in row["synonyms"]})


def _phrases(things: list[str], count: int, random: np.random.Generator) -> list[str]:
    """Descriptions put together: what sounds, how it sounds, where."""
    texts = []
    for _ in range(count):
        how = str(random.choice(ADJECTIVES))
        if random.random() < 0.3:
            how = f"{how} {random.choice(ADJECTIVES)}"
        what = str(random.choice(things if random.random() < 0.7 else HEADS))
        text = f"{how} {what}" if random.random() < 0.8 else what
        if random.random() < 0.35:
            text = f"{text} {random.choice(HEADS)}"
        if random.random() < 0.35:
            text = f"{text} {random.choice(ADDITIONS)}"
        texts.append(text)
    return texts


def _wordnet(folder: Path) -> list[str]:
    """Words counted at least twice in WordNet's texts; words and glosses of what can be heard."""
    texts = []
    for line in (folder / "cntlist.rev").read_text(encoding="latin-1").splitlines():
        sense, _, count = line.split(" ")
        word = sense.split("%")[0]
        if int(count) >= 2 and word.isascii() and not word[0].isdigit():
            texts.append(word.replace("_", " "))
    for part in ("noun", "verb", "adj"):
        for line in (folder / f"data.{part}").read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue
            facts, _, gloss = line.partition(" | ")
            fields = facts.split(" ")
            gloss = gloss.split(";")[0].strip()
            if fields[1] in _HEARD_FILES and _SOUND_WORDS.search(gloss):
                names = [fields[4 + 2 * i] for i in range(int(fields[3], 16))]
                plain = [re.sub(r"\(.*\)", "", name).replace("_", " ") for name in names]
                texts += [*plain[:2], gloss]
    return texts
