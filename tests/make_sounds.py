"""Makes tests/sounds: small sound files of every kind, and odd ones, all synthesised here.

    python tests/make_sounds.py

Kept in the repository so that tests need no encoder; run it again only to change them.
"""

import struct
from pathlib import Path

import av
import numpy as np
import soundfile

FOLDER = Path(__file__).parent / "sounds"


def bell(rate: int, seconds: float, channels: int = 1) -> np.ndarray:
    """A struck bell at 880 Hz, float32 (n, channels), peak 0.5, a little different by channel."""
    t = np.arange(round(rate * seconds)) / rate
    parts = [(880, 1.0), (880 * 2.76, 0.5), (880 * 5.4, 0.25)]
    sides = []
    for channel in range(channels):
        tone = sum(level * np.sin(2 * np.pi * f * t + channel) for f, level in parts)
        sides.append(tone * np.exp(-6 * t / seconds))
    x = np.stack(sides, axis=1)
    return (0.5 * x / np.abs(x).max()).astype(np.float32)


def write(name: str, x: np.ndarray, rate: int, kind: str, subtype: str, **texts: str) -> None:
    with soundfile.SoundFile(
        FOLDER / name, "w", rate, x.shape[1], subtype=subtype, format=kind
    ) as file:
        for key, text in texts.items():
            setattr(file, key, text)
        for start in range(0, len(x), 4096):
            file.write(x[start : start + 4096])


def encode(name: str, x: np.ndarray, rate: int, codec: str, **texts: str) -> None:
    """By FFmpeg: what libsndfile can't write."""
    with av.open(str(FOLDER / name), "w") as container:
        container.metadata.update(texts)
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 64000
        size = stream.codec_context.frame_size or 1024
        for start in range(0, len(x), size):
            part = np.ascontiguousarray(x[start : start + size].T)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate = rate
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pcm_format(rate: int, channels: int, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, bits))


def pcm(x: np.ndarray) -> bytes:
    return np.rint(x * 32767).astype("<i2").tobytes()


def broadcast_wave() -> bytes:
    """With bext, iXML and INFO chunks."""
    bext = b"Church bell, close".ljust(256, b"\0") + b"Ada".ljust(32, b"\0")
    ixml = (
        b'<?xml version="1.0" encoding="UTF-8"?><BWFXML><PROJECT>Villages</PROJECT>'
        b"<NOTE>evening toll</NOTE><TAPE>7</TAPE></BWFXML>"
    )
    info = b"INFO" + chunk(b"INAM", b"Angelus\0") + chunk(b"ICMT", "für später".encode("cp1252"))
    return riff(
        chunk(b"bext", bext.ljust(602, b"\0")),
        pcm_format(22050, 1),
        chunk(b"data", pcm(bell(22050, 0.2))),
        chunk(b"iXML", ixml),
        chunk(b"LIST", info),
    )


def sounds() -> None:
    """One of each kind that can be read."""
    write("bell 16bit.wav", bell(44100, 0.3), 44100, "WAV", "PCM_16")
    write("bell 8bit.wav", bell(11025, 0.3), 11025, "WAV", "PCM_U8")
    write("bell 24bit stereo.wav", bell(48000, 0.1, 2), 48000, "WAV", "PCM_24")
    write("bell 32bit.wav", bell(22050, 0.1), 22050, "WAV", "PCM_32")
    write("bell float.wav", bell(32000, 0.1) * 3, 32000, "WAV", "FLOAT")
    write("bell rf64.wav", bell(22050, 0.1), 22050, "RF64", "PCM_16")
    write("bell 5.1.wav", bell(16000, 0.1, 6), 16000, "WAVEX", "PCM_16")
    write("bell.aiff", bell(22050, 0.1), 22050, "AIFF", "PCM_16", title="Aiff bell")
    write("bell.flac", bell(44100, 0.2), 44100, "FLAC", "PCM_16", title="Flac bell", artist="Ada")
    write("bell.ogg", bell(44100, 0.4, 2), 44100, "OGG", "VORBIS", comment="vorbis comment")
    write("bell.opus", bell(48000, 0.4), 48000, "OGG", "OPUS", title="Opus bell")
    write("bell.mp3", bell(44100, 1.2), 44100, "MP3", "MPEG_LAYER_III", title="Id3 bell")
    write("bell.caf", bell(22050, 0.1), 22050, "CAF", "PCM_16")
    encode("bell.m4a", bell(44100, 0.4), 44100, "aac", title="Mp4 bell")
    encode("bell.wma", bell(44100, 0.4), 44100, "wmav2", title="Wma bell")
    (FOLDER / "BELLLrg_Village Angelus_Ada_01.wav").write_bytes(broadcast_wave())


def odd_ones() -> None:
    """Broken, empty and misleading files."""
    tone = bell(22050, 0.2)
    (FOLDER / "empty.wav").write_bytes(b"")
    (FOLDER / "header only.wav").write_bytes(riff(pcm_format(22050, 1), chunk(b"data", b"")))
    (FOLDER / "text.wav").write_text("This is a letter, not a sound.\n" * 4)
    (FOLDER / "silence.wav").write_bytes(
        riff(pcm_format(22050, 1), chunk(b"data", bytes(2 * 2205)))
    )
    whole = riff(pcm_format(22050, 1), chunk(b"data", pcm(tone)))
    (FOLDER / "truncated.wav").write_bytes(whole[: len(whole) // 2])
    (FOLDER / "one frame.wav").write_bytes(
        riff(pcm_format(22050, 1), chunk(b"data", struct.pack("<h", 9000)))
    )
    sound = tone.copy()
    sound[100:110], sound[200], sound[300] = np.nan, np.inf, -np.inf
    write("not finite.wav", sound, 22050, "WAV", "FLOAT")
    flac = (FOLDER / "bell.flac").read_bytes()
    (FOLDER / "truncated.flac").write_bytes(flac[: len(flac) * 2 // 3])
    (FOLDER / "really mp3.wav").write_bytes((FOLDER / "bell.mp3").read_bytes())
    (FOLDER / "._bell.wav").write_bytes(
        b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(48)
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    sounds()
    odd_ones()
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{len(list(FOLDER.iterdir()))} files, {size} bytes")
