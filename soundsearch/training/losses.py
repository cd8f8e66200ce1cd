"""What training minimises."""

import torch
import torch.nn.functional as F


def nt_xent(
    audio: torch.Tensor,
    text: torch.Tensor,
    positives: torch.Tensor,
    temperature: torch.Tensor | float,
) -> torch.Tensor:
    """Contrastive loss of a batch, both ways.

    audio, text (B, D) unit vectors; positives (B, B) weights ≥ 0 with a positive diagonal, rows
    audio. Each row's weights are brought to sum 1; with the identity it is plain NT-Xent, with
    ones where the labels are equal the same-label one.
    """
    logits = audio @ text.T / temperature
    across_texts = positives / positives.sum(1, keepdim=True)
    across_audio = positives / positives.sum(0, keepdim=True)
    one = -(across_texts * F.log_softmax(logits, dim=1)).sum(1).mean()
    other = -(across_audio * F.log_softmax(logits, dim=0)).sum(0).mean()
    return (one + other) / 2


def label_positives(
    labels: torch.Tensor, softness: float = 0.1, least: float = 0.02
) -> torch.Tensor:
    """How far clips of a batch are right for each other's captions: (B, D) unit text vectors of
    their labels → (B, B), 1 where the labels are equal, near 0 where they mean something else.

    softness 0 makes equal labels positives and nothing else.
    """
    cosines = labels @ labels.T
    if softness == 0:
        return (cosines > 0.999).float()
    weights = torch.exp((cosines.clamp(max=1.0) - 1.0) / softness)
    return torch.where(weights < least, torch.zeros_like(weights), weights)


def tag_loss(logits: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy against the tagger's own probabilities, summed over the tags, above its
    least possible value. Both (B, 527), before the sigmoid."""
    wanted = torch.sigmoid(teacher)
    least = F.binary_cross_entropy_with_logits(teacher, wanted, reduction="none")
    loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (loss - least).sum(1).mean()


def cosine_loss(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """1 - cosine, the mean over rows (B, D)."""
    return (1.0 - F.cosine_similarity(found, wanted, dim=-1)).mean()


def nt_xent_pairs(
    audio: torch.Tensor,
    text: torch.Tensor,
    positives: torch.Tensor,
    temperature: torch.Tensor | float,
) -> torch.Tensor:
    """The paper's loss, both ways: the mean of -log softmax over all positive pairs.

    audio, text (B, D) unit vectors; positives bool (B, B). With the identity it is the paper's
    formula with a temperature; with every pair of one recording the published code's.
    """
    logits = audio @ text.T / temperature
    one = -F.log_softmax(logits, dim=1)[positives].mean()
    other = -F.log_softmax(logits, dim=0)[positives].mean()
    return (one + other) / 2
