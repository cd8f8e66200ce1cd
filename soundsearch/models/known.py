"""Models that SoundSearch knows of: what they are, where their authors offer them. Torch-free.

Sizes and memory are computed from the numbers of parameters; qualities are quoted, with the place
that states them.
"""

from dataclasses import dataclass

UNSTATED = "no licence stated by its authors"
_JKU = "https://cloud.cp.jku.at/index.php/s"
_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class KnownModel:
    """A model that can be brought here.

    kind: of the model folder ("passt", "cnn", "clap"); source: the page that offers it; files:
    addresses of its parts in order, joined they are one file; repository: on Hugging Face,
    instead of files; neither: it can be imported only. download: bytes, None when nobody states
    them; bytes: on disk once installed; memory: bytes it takes while it indexes on a CPU,
    memory_measured: whether that was seen or is counted from its parameters; flop: of its audio
    side for ten seconds of sound; shares: of a matrix product's rate in float32 and in bfloat16,
    that its audio side reaches on a CPU (`bench embed` tells), 0 where it never runs in that.
    """

    name: str
    title: str
    kind: str
    licence: str
    source: str
    quality: str
    bytes: int
    memory: int
    download: int | None = None
    files: tuple[str, ...] = ()
    repository: str = ""
    layout: str = ""
    flop: int = 0
    shares: tuple[float, float] = (1.0, 1.0)
    memory_measured: bool = False

    @property
    def downloadable(self) -> bool:
        return bool(self.files or self.repository)


_PASST_ROBERTA = 442_270_000  # parameters
# Counted by torch's FlopCounterMode on networks of these sizes: PaSST-N, CLAP's two, the starter.
_PASST_N_FLOP = 93_932_371_968
_CLAP_FLOP = {"base": 11_816_665_088, "large": 30_653_546_496}
_STARTER_FLOP = 1_682_964_480
# Measured on two busy cores, matrix product and network in turn. PaSST is nearly all of it such
# products; CLAP's windows and the starter's convolutions are small ones, bound by memory.
_PASST_SHARES = (0.8, 0.7)
_CLAP_SHARES = {"base": (0.2, 0.05), "large": (0.3, 0.08)}
_STARTER_SHARES = (0.13, 0.0)
_STARTER = 12_000_000  # bytes on disk, about; where it is installed, its folder is measured
RUNTIME = 450_000_000  # bytes of torch, the libraries and a batch of activations


def _sizes(parameters: int) -> tuple[int, int]:
    """Bytes on disk (float16) and in memory while it is loaded, which is the peak: those of the
    disk, float32 and the rest of the process. PaSST-N with RoBERTa-large was seen to take 3.0 GB.
    """
    return 2 * parameters, 6 * parameters + RUNTIME


def _clap(
    name: str, title: str, repository: str, parameters: int, size: str, quality: str
) -> KnownModel:
    disk, memory = _sizes(parameters)
    return KnownModel(
        name=name,
        title=title,
        kind="clap",
        licence="Apache-2.0",
        source=f"{_HUB}/{repository}",
        quality=quality,
        bytes=disk,
        memory=memory,
        download=4 * parameters,
        repository=repository,
        layout="clap",
        flop=_CLAP_FLOP[size],
        shares=_CLAP_SHARES[size],
    )


def _passt(
    name: str, title: str, layout: str, source: str, quality: str, files: tuple[str, ...]
) -> KnownModel:
    disk, memory = _sizes(_PASST_ROBERTA)
    return KnownModel(
        name=name,
        title=title,
        kind="passt",
        licence=UNSTATED,
        source=source,
        quality=quality,
        bytes=disk,
        memory=memory,
        files=files,
        layout=layout,
        flop=_PASST_N_FLOP,
        shares=_PASST_SHARES,
    )


_SALSA_PARTS = (
    "pMWRbJzXqFPPzgD", "aMDLmLTZH4jCHwq", "3kKiQJFk45R7S5k", "ijLwzPAQrqKRf5P", "Np4A5nobAkaSGpY",
)  # fmt: skip

KNOWN: tuple[KnownModel, ...] = (
    KnownModel(
        name="starter",
        title="SoundSearch's own small model, for the first start and for weak machines",
        kind="cnn",
        licence="CC-BY-SA-4.0",
        source="ships with SoundSearch",
        quality="stated in its folder's model.json",
        bytes=_STARTER,
        memory=450_000_000,
        memory_measured=True,
        flop=_STARTER_FLOP,
        shares=_STARTER_SHARES,
    ),
    _passt(
        "salsa",
        "PaSST-N and RoBERTa-large with estimated correspondences (Primus et al., 2024)",
        "salsa",
        "https://github.com/OptimusPrimus/salsa",
        "Clotho v2 test: mAP@10 40.11, R@1 27.69, R@5 57.05, R@10 70.50 (its README)",
        tuple(
            f"{_JKU}/{share}/download/passt_roberta.{number}.ckpt"
            for number, share in enumerate(_SALSA_PARTS, start=1)
        ),
    ),
    _passt(
        "dcase2025",
        "PaSST-N and RoBERTa-large, baseline of DCASE 2025 task 6",
        "2025",
        "https://github.com/CPJKU/dcase2025_task6_baseline",
        "Clotho v2 test: mAP@10 35.23, R@1 23.29, R@5 52.17, R@10 64.78 (its README)",
        (f"{_JKU}/6ZTQ3mcwk9AAS4i/download",),
    ),
    _passt(
        "dcase2023",
        "PaSST and RoBERTa-large of the paper; weights were not published: import your own",
        "2023",
        "https://github.com/OptimusPrimus/dcase2023_task6b",
        "Clotho v2 test: mAP@10 38.56, R@1 26.07, R@5 55.27, R@10 69.30 (the paper, its weights)",
        (),
    ),
    _clap(
        "clap-general",
        "LAION's larger CLAP for sound effects, music and speech",
        "laion/larger_clap_general",
        193_913_882,
        "large",
        "ESC-50 without training: 89.98% (LAION's README, before its conversion)",
    ),
    _clap(
        "clap-unfused",
        "LAION's CLAP for sounds up to ten seconds",
        "laion/clap-htsat-unfused",
        153_492_890,
        "base",
        "not stated for these weights",
    ),
    _clap(
        "clap-music-and-speech",
        "LAION's larger CLAP for music and speech",
        "laion/larger_clap_music_and_speech",
        193_913_882,
        "large",
        "ESC-50 without training: 89.25% (LAION's README, before its conversion)",
    ),
)


def known(name: str) -> KnownModel | None:
    return next((model for model in KNOWN if model.name == name), None)
