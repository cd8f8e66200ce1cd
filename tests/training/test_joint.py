"""The joint space: a regression beside a plain one, its parts, fewer dimensions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from soundsearch.training.joint import Joint, Part, features_of, join_parts, ridge_part
from soundsearch.training.metrics import query_metrics
from soundsearch.training.starter_task import StarterTask
from tests.training.test_loop import SMALL, corpus


def test_the_regression_is_a_plain_ridge_regression() -> None:
    torch.manual_seed(0)
    features = torch.randn(200, 12) * torch.linspace(0.1, 4, 12) + 3
    wanted = F.normalize(features @ torch.randn(12, 8) + 0.3 * torch.randn(200, 8), dim=-1)
    axes = torch.linalg.qr(torch.randn(8, 5))[0].T
    part = ridge_part(features, wanted, axes, 50.0)
    # The same by least squares over rows that pull each weight to zero.
    x = (features - features.mean(0)) / features.std(0)
    y = (wanted - wanted.mean(0)) @ axes.T
    pulled = torch.cat([x, 50.0**0.5 * torch.eye(12)])
    weight = torch.linalg.lstsq(pulled, torch.cat([y, torch.zeros(12, 5)])).solution
    torch.testing.assert_close(part.sounds(features), x @ weight, atol=1e-3, rtol=1e-3)
    texts = part.texts(wanted)
    torch.testing.assert_close(texts, F.normalize((wanted - wanted.mean(0)) @ axes.T, dim=-1))


@pytest.fixture
def joint() -> Joint:
    task = StarterTask(SMALL, corpus())
    torch.manual_seed(1)
    parts = [
        Part(torch.randn(k, task.learner.audio.dim), torch.randn(k), torch.randn(k, 32), centre)
        for k, centre in ((5, torch.zeros(32)), (7, 0.1 * torch.randn(32)))
    ]
    return Joint(task.learner.audio, parts, 0.07)


def test_narrow_enough_for_the_texts_nothing_is_lost(joint: Joint) -> None:
    texts, features = torch.randn(300, 32), torch.randn(9, joint.audio.dim)
    before = joint.text_vectors(texts) @ joint.audio_vectors(features).T
    assert joint.dim == 12
    all_of_it = joint.narrowed(texts, 12)
    after = all_of_it.text_vectors(texts) @ all_of_it.audio_vectors(features).T
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
    narrow = joint.narrowed(texts, 6)
    assert narrow.dim == 6
    for vectors in (narrow.text_vectors(texts), narrow.audio_vectors(features)):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))


def test_the_parts_together_find_what_they_were_chosen_by() -> None:
    made = corpus()
    task = StarterTask(SMALL, made)
    learner = task.learner.eval()
    sounds = features_of(learner.audio, made.pack.mel, made.pack.frames, np.arange(len(made.pack)))
    asked = torch.from_numpy(made.captions[:, 0].astype(np.float32))
    right = np.arange(len(asked))[:, None] == made.pack.clip
    told: list[str] = []

    def find(scores: torch.Tensor) -> float:
        return float(query_metrics(scores.detach().numpy(), right)["mAP@10"].mean())

    joint = join_parts(learner, learner.audio, made, (sounds, asked), find, told.append)
    scores = joint.text_vectors(asked) @ joint.audio_vectors(sounds).T
    best = max(float(line.rsplit(" ", 1)[1]) for line in told if line.startswith("weights"))
    assert find(scores) == pytest.approx(best, abs=1e-4)
    # The network is untrained; the regression alone makes the kinds findable.
    assert find(scores) > 0.5
