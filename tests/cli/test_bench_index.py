"""bench index on few rows; what it embeds."""

import json
from pathlib import Path

import numpy as np
import pytest

from soundsearch.cli import bench_vectors
from soundsearch.cli.main import run
from soundsearch.errors import UserError
from tests.scan.spectral_encoder import SpectralEncoder


class Encoder(SpectralEncoder):
    def embed_audio(self, sounds: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        return np.stack([self.pool(self.segment_features([sound])) for sound in sounds]), []


def measured(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, dict[str, object]]:
    assert run(["bench", "index", "--json", "--quiet", *options]) == 0
    figures: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)
    return figures


def saved(folder: Path) -> Path:
    file = folder / "material.npz"
    bench_vectors.save(bench_vectors.made_up(dim=32, clusters=50, queries=12), file)
    return file


def test_small_sizes_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("hnswlib")
    file = str(saved(tmp_path))
    figures = measured(capsys, "--sizes", "400+200x48", "--vectors", file, "--graph")
    (one,) = figures.values()
    assert list(figures) == ["index 400 + 200 x 48"]
    assert one["recall@10"] == 1.0
    assert one["dimensions of the graph"] == 49
    (plain,) = measured(capsys, "--sizes", "400x16", "--vectors", file).values()
    assert plain["recall@10"] == 1.0
    assert "ratio to it" in plain


@pytest.mark.parametrize("wrong", [["--sizes", "many"], ["--vectors", "/none.npz"]])
def test_wrong_options_are_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "index", "--quiet", *wrong]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_rows_are_turned_without_a_change_of_their_cosines() -> None:
    material = bench_vectors.made_up(dim=32, clusters=50, queries=12)
    few = bench_vectors.Material(material.rows[:40], material.queries, "")
    rows = np.concatenate(list(few.rows_in(64, 40)))
    same = few.queries @ few.rows.T
    turned = few.queries_in(64) @ rows.T
    np.testing.assert_allclose(np.sort(turned, axis=1), np.sort(same, axis=1), atol=1e-5)
    more = np.concatenate(list(few.rows_in(64, 100)))
    assert more.shape == (100, 64)
    np.testing.assert_array_equal(more[:40], rows)
    np.testing.assert_allclose(np.linalg.norm(more, axis=1), 1, atol=1e-5)


def test_clips_and_queries_are_embedded(tmp_path: Path) -> None:
    sound = Path(__file__).parent.parent / "sounds" / "bell 16bit.wav"
    header = "path,split,set,label,tags,licence,author,source_repo,ship\n"
    line = f"{sound},train,a,kick,,,,b,yes\n"
    (tmp_path / "clips.csv").write_text(header + line + line.replace(str(sound), "none.wav") + line)
    (tmp_path / "queries.csv").write_text("query,set,kind,relevant\ndog,all,a,b\ndog,all,a,b\n")
    tables = tmp_path / "clips.csv", tmp_path / "queries.csv"
    material = bench_vectors.embed(Encoder(), *tables, versions=3)
    assert len(material.rows) == 6
    assert len(material.queries) == len(bench_vectors.TEMPLATES)
    bench_vectors.save(material, tmp_path / "m.npz")
    again = bench_vectors.read(tmp_path / "m.npz")
    np.testing.assert_allclose(again.rows, material.rows, atol=1e-3)
    with pytest.raises(UserError, match="can't be read"):
        bench_vectors.read(tmp_path / "clips.csv")
