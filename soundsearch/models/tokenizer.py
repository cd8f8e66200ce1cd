"""The tokenizer of an imported model: found, or fetched, and made into a tokenizer.json."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from soundsearch.errors import UserError

ROBERTA = "FacebookAI/roberta-large"  # on Hugging Face
BERT = "google-bert/bert-base-uncased"


def fitting_tokenizer(
    text: dict[str, Any],
    given: Path | None,
    file: Path,
    fetch: Callable[[str, Path], Path] | None,
    scratch: Path,
) -> str:
    """The text of a tokenizer.json for a text encoder of these settings (as in model.json).

    given: a tokenizer.json, a vocab.json or merges.txt with its other half beside it, or their
    folder; else it is looked for beside the checkpoint `file`, else fetch(repository, scratch)
    gives the file. Raises UserError where there is none and for one that does not fit.
    """
    place = given or (file if file.is_dir() else file.parent)
    found = _read(place)
    repository = BERT if text["architecture"] == "bert" else ROBERTA
    if found is None and given is None and fetch is not None:
        try:
            found = _read(fetch(repository, scratch))
        except UserError as error:
            raise UserError(
                f"The tokenizer of {repository} can't be fetched. {error.message}",
                _where_from(repository),
            ) from error
    if found is None:
        raise UserError(
            f"There is no tokenizer in {place}, and the checkpoint brings none",
            _where_from(repository),
        )
    words = Tokenizer.from_str(found).get_vocab_size()
    if words > text["config"]["vocab_size"]:
        raise UserError(
            f"The tokenizer knows {words} words, the model {text['config']['vocab_size']}",
            f"The tokenizer of {repository} is needed",
        )
    return found


def _where_from(repository: str) -> str:
    return (
        f"Get tokenizer.json from https://huggingface.co/{repository} and put it beside the "
        "checkpoint, or name it with --tokenizer FILE"
    )


def roberta_tokenizer(vocabulary: Path, merges: Path) -> str:
    """The tokenizer.json of RoBERTa's vocab.json and merges.txt: byte-level BPE, no space before
    the first word. Raises OSError, and Exception for files that are none."""
    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    tokenizer.add_special_tokens([m for m in marks if tokenizer.token_to_id(m) is not None])
    start, end = (tokenizer.token_to_id(mark) for mark in ("<s>", "</s>"))
    if start is None or end is None:
        raise ValueError("no <s> or no </s> in it")
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", end), ("<s>", start), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer.to_str()


def _read(place: Path) -> str | None:
    """From a file or a folder; None where there is none. Raises UserError for a broken one."""
    folder = place if place.is_dir() else place.parent
    file = folder / "tokenizer.json" if place.is_dir() else place
    parts = (folder / "vocab.json", folder / "merges.txt")
    try:
        if file.is_file() and file not in parts:
            return Tokenizer.from_str(file.read_text(encoding="utf-8")).to_str()
        if all(part.is_file() for part in parts):
            return roberta_tokenizer(*parts)
    except Exception as error:  # tokenizers raises plain Exceptions
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{file} is no tokenizer ({reason})") from error
    return None
