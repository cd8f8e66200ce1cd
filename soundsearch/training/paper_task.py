"""What the paper's models learn from: captioned recordings, contrastively.

Primus, Koutini and Widmer, "Advancing Natural-Language Based Audio Retrieval with PaSST and Large
Audio-Caption Data Sets", 2023, and its code where the paper says nothing. A recording is cut into
segments; the mean of their features is projected, as in `models.encoder`.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from soundsearch.audio.decode import DecodeError
from soundsearch.errors import UserError
from soundsearch.models.encoder import DualModel, build
from soundsearch.models.encoder import Front as EncoderFront
from soundsearch.models.mel import mel_matrix
from soundsearch.models.text import CaptionTokenizer
from soundsearch.training.datasets import Item
from soundsearch.training.loop import Place, Report, Schedule
from soundsearch.training.losses import nt_xent_pairs
from soundsearch.training.metrics import query_metrics
from soundsearch.training.processes import gather, largest
from soundsearch.training.sampling import Batch, Sampler, batches, read_crop

Front = Callable[[torch.Tensor], torch.Tensor]  # samples (B, n) → what the network takes

SHORTEST = 1.0  # seconds that a segment is made with zeros; CNN14 halves the time five times
_MASKED = 0.9  # a mask's value 0 of the logarithm, behind shift and scale
_CAPTIONS = 64  # at once
_MASKS = 1 << 21  # tells the stream of the masks from others


@dataclass(frozen=True)
class PaperSettings(Schedule):
    """How the paper's models learn, beside the schedule. batch: of all processes together.

    segment_seconds: of the pieces that are embedded; crop_seconds: of the longest sound; padding:
    of a batch, to its "longest" sound or to whole "segments"; positives: "diagonal" or all pairs
    of the "same recording"; temperature: first value, kept unless learnable; random_bands: the mel
    filters' limits vary with the step; mask_bands, mask_frames: the widest masks, 0 for none;
    swap: chance that a caption is replaced by one of its variations; workers: processes that read.
    """

    segment_seconds: float = 10.0
    crop_seconds: float = 30.0
    padding: Literal["longest", "segments"] = "longest"
    positives: Literal["diagonal", "same recording"] = "diagonal"
    temperature: float = 0.01
    learnable_temperature: bool = True
    random_bands: bool = True
    mask_bands: int = 48
    mask_frames: int = 192
    swap: float = 0.0
    workers: int = 4


class PaperLearner(nn.Module):
    """The dual encoder and its temperature."""

    def __init__(self, config: dict[str, Any], settings: PaperSettings) -> None:
        super().__init__()
        self.dual: DualModel = build(config)
        self.rate: int = config["rate"]
        self.segment = round(settings.segment_seconds * self.rate)
        tau = torch.tensor([settings.temperature])
        self.tau = nn.Parameter(tau, requires_grad=settings.learnable_temperature)

    def audio_features(
        self, samples: torch.Tensor, lengths: torch.Tensor, front: Front
    ) -> torch.Tensor:
        """Sounds (B, n) of `lengths` with zeros behind → means of their segments' features (B, F).

        A sound has as many segments as it fills, however long the batch is; all weigh the same.
        """
        counts = (lengths + self.segment - 1).div(self.segment, rounding_mode="floor").clamp(min=1)
        means = samples.new_zeros(len(samples), self.dual.audio.dim)
        whole = samples.shape[1] // self.segment * self.segment
        shortest = min(self.segment, round(SHORTEST * self.rate))
        for part, first in ((samples[:, :whole], 0), (samples[:, whole:], whole // self.segment)):
            if not part.shape[1]:
                continue
            length = min(part.shape[1], self.segment)
            pieces = part.unflatten(1, (-1, length)).transpose(0, 1)  # (S, B, length)
            numbers = torch.arange(first, first + len(pieces), device=samples.device)
            places, rows = (numbers[:, None] < counts).nonzero(as_tuple=True)
            if len(rows):
                filled = pieces[places, rows]
                padded = F.pad(filled, (0, max(0, shortest - length)))
                found = self.dual.audio_features(front(padded)).float()
                means = means.index_add(0, rows, found / counts[rows, None])
        return means

    def audio_vectors(self, features: torch.Tensor) -> torch.Tensor:
        return self.dual.audio_vectors(features)

    def text_vectors(self, features: torch.Tensor) -> torch.Tensor:
        """Features of the text encoder (B, H) → unit vectors (B, D), in float32."""
        return F.normalize(self.dual.text_projection(features.float()), dim=-1)


class VariedFront:
    """A PaSST's front end as it is in training: other limits of the mel filters and masks in
    frequency and time, the same for a whole batch. Front ends of PANNs stay as they are."""

    def __init__(self, front: nn.Module, settings: PaperSettings, step: int) -> None:
        self.front, self.settings = front, settings
        self.random = np.random.default_rng([settings.seed, _MASKS, step])

    def __call__(self, samples: torch.Tensor) -> torch.Tensor:
        if not isinstance(self.front, EncoderFront):
            return self.front(samples)
        changed = {}
        if self.settings.random_bands:
            low, high = self.random.integers(10), 16_000 - self.random.integers(2000)
            changed["mel.bands"] = mel_matrix(float(low), float(high)).to(samples.device)
        mel = functional_call(self.front, changed, samples)  # (B, 1, bands, frames)
        for axis, widest in ((2, self.settings.mask_bands), (3, self.settings.mask_frames)):
            size = mel.shape[axis]
            width = int(self.random.uniform(0, min(widest, size)))
            mel.narrow(axis, int(self.random.uniform(0, size - width)), width).fill_(_MASKED)
        return mel


class PaperTask:
    """The paper's task for the loop: one batch over all processes, features gathered."""

    columns = ("contrast",)

    def __init__(
        self,
        settings: PaperSettings,
        config: dict[str, Any],
        tokenizer_json: str,
        sampler: Sampler,
        report: Report = lambda line: None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.sampler, self.report = settings, sampler, report
        self.learner = PaperLearner(config, settings)
        self.tokenizer = tokenizer_for(self.learner, tokenizer_json)
        self._told: set[str] = set()

    def steps_an_epoch(self, processes: int) -> int:
        if self.settings.batch % processes:
            raise UserError(
                f"A batch of {self.settings.batch} can't be shared by {processes} processes"
            )
        return len(self.sampler) // self.settings.batch

    def batches(self, first: int, place: Place) -> Iterator[Batch]:
        size, workers = self.settings.batch, self.settings.workers
        return batches(self.sampler, size, first, place.rank, place.processes, workers)

    def losses(self, batch: Batch, place: Place) -> dict[str, torch.Tensor]:
        self._tell(batch)
        settings, learner = self.settings, self.learner
        samples = self._padded(batch.samples.to(place.device), place)
        front = VariedFront(learner.dual.front, settings, batch.step)
        # Patchout is drawn once a batch, so all processes leave out the same; dropout is not.
        torch.manual_seed(_seed(settings.seed, batch.step))
        with place.autocast():
            heard = learner.audio_features(samples, batch.lengths.to(place.device), front)
        torch.manual_seed(_seed(settings.seed, batch.step, 1 + place.rank))
        ids, mask = self.tokenizer(batch.captions)
        with place.autocast():
            read = learner.dual.text(ids.to(place.device), mask.to(place.device))
        audio = gather(learner.audio_vectors(heard), place.processes)
        text = gather(learner.text_vectors(read), place.processes)
        numbers = gather(batch.numbers.to(place.device), place.processes)
        positives = numbers[:, None] == numbers
        if settings.positives == "diagonal":
            positives = torch.eye(len(numbers), dtype=torch.bool, device=numbers.device)
        return {"contrast": nt_xent_pairs(audio, text, positives, learner.tau.abs())}

    def _padded(self, samples: torch.Tensor, place: Place) -> torch.Tensor:
        longest = largest(samples.shape[1], place.processes, place.device)
        if self.settings.padding == "segments":
            longest = -(-longest // self.learner.segment) * self.learner.segment
        return F.pad(samples, (0, longest - samples.shape[1]))

    def _tell(self, batch: Batch) -> None:
        for file in sorted(set(batch.unreadable) - self._told):
            self._told.add(file)
            self.report(f"can't be read, passed over: {file}")


def tokenizer_for(learner: PaperLearner, tokenizer_json: str) -> CaptionTokenizer:
    text = learner.dual.text
    pad = text.network.config.pad_token_id
    config = text.config
    return CaptionTokenizer(tokenizer_json, config.tokens, pad, config.keep_end, config.clean)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


@torch.inference_mode()
def retrieval(
    learner: PaperLearner,
    tokenizer: CaptionTokenizer,
    items: Sequence[Item],
    crop_seconds: float = 30.0,
    report: Report = lambda line: None,
) -> dict[str, float]:
    """mAP@10 and R@1, 5, 10 of every caption as a query over the recordings of `items`.

    Recordings are padded to whole segments, as an exported model does. Those that can't be read
    are reported and left out with their captions.
    """
    learner.eval()
    device = learner.tau.device
    files = {item.recording: item.file for item in items}
    heard: dict[str, torch.Tensor] = {}
    with ThreadPoolExecutor(4) as readers:
        reading = [readers.submit(_read, file, crop_seconds) for file in files.values()]
        for recording, sound in zip(files, reading, strict=True):
            try:
                samples = torch.from_numpy(sound.result())[None].to(device)
            except DecodeError as error:
                report(f"can't be read ({error.reason}), left out: {files[recording]}")
                continue
            length = torch.tensor([samples.shape[1]], device=device)
            padded = F.pad(samples, (0, -samples.shape[1] % learner.segment))
            features = learner.audio_features(padded, length, learner.dual.front)
            heard[recording] = learner.audio_vectors(features)[0]
    asked = [item for item in items if item.recording in heard]
    if not asked:
        raise UserError("No recording to measure with can be read")
    sounds, texts = torch.stack(list(heard.values())), []
    for first in range(0, len(asked), _CAPTIONS):
        some = [item.caption for item in asked[first : first + _CAPTIONS]]
        ids, mask = tokenizer(some)
        texts.append(learner.text_vectors(learner.dual.text(ids.to(device), mask.to(device))))
    scores = (torch.cat(texts) @ sounds.T).cpu().numpy()
    columns = {recording: column for column, recording in enumerate(heard)}
    relevant = np.zeros(scores.shape, bool)
    relevant[np.arange(len(asked)), [columns[item.recording] for item in asked]] = True
    return {name: float(v.mean()) for name, v in query_metrics(scores, relevant).items()}


def _read(file: Path, seconds: float) -> np.ndarray:
    return read_crop(file, seconds, np.random.default_rng(0))
