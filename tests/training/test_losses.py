"""Losses against plain loops."""

import math

import pytest
import torch
import torch.nn.functional as F

from soundsearch.training.losses import cosine_loss, label_positives, nt_xent, tag_loss


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(
        torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))), dim=-1
    )


def test_nt_xent_is_the_papers_with_one_positive() -> None:
    audio, text, temperature = unit(6, 8), unit(6, 9)[:, :8], 0.07
    text = F.normalize(text, dim=-1)
    total = 0.0
    for i in range(6):
        row = [math.exp(float(audio[i] @ text[j]) / temperature) for j in range(6)]
        column = [math.exp(float(audio[j] @ text[i]) / temperature) for j in range(6)]
        total -= math.log(row[i] / sum(row)) + math.log(column[i] / sum(column))
    got = nt_xent(audio, text, torch.eye(6), temperature)
    assert float(got) == pytest.approx(total / (2 * 6), rel=1e-4)


def test_equal_labels_are_positives_of_each_other() -> None:
    labels = unit(3, 16)[torch.tensor([0, 1, 0, 2])]
    expected = torch.eye(4)
    expected[0, 2] = expected[2, 0] = 1
    torch.testing.assert_close(label_positives(labels, softness=0), expected)
    soft = label_positives(labels)
    assert torch.all(soft[expected == 1] > 0.99)
    assert torch.all(soft[expected == 0] < 0.99)
    # The right captions in any order of the equal ones cost the same.
    audio, text = unit(4, 12), unit(4, 13)[:, :12]
    swapped = text[torch.tensor([2, 1, 0, 3])]
    one = nt_xent(audio, text, expected, 0.1)
    torch.testing.assert_close(one, nt_xent(audio, swapped, expected, 0.1))


def test_distillation_is_least_at_the_teachers_answer() -> None:
    teacher = torch.randn(5, 527, generator=torch.Generator().manual_seed(1)) * 3 - 4
    assert float(tag_loss(teacher, teacher)) == pytest.approx(0, abs=1e-3)
    assert float(tag_loss(teacher + 1, teacher)) > 0.1
    assert float(cosine_loss(3 * teacher, teacher)) == pytest.approx(0, abs=1e-5)
    assert float(cosine_loss(-teacher, teacher)) == pytest.approx(2, abs=1e-5)
