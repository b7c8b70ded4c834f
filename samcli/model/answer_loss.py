"""The cross-entropy of answers, where answer tokens are predicted and nowhere else.

Behind a frozen head its gradient is made together with it, and no logits are kept. All that the backward pass needs is
the gradient with respect to what enters the head, which is known as soon as the probabilities are, piece by piece; the
logits of a long answer batch are the largest tensors of a step, and here they live for one piece only.
"""

from typing import Any

import torch
from torch import Tensor, nn

from samcli.model.sequence import IGNORED, TokenSequence

PIECE = 1 << 24  # logits at once


class _FrozenHeadLoss(torch.autograd.Function):
    """Mean cross-entropy of `targets` (T,) under `hidden` (T, D) through `weight` (V, D) and `bias` (V,) or None."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        rows = max(1, PIECE // len(weight))
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(hidden), rows):
            piece = slice(start, start + rows)
            logits = nn.functional.linear(hidden[piece], weight, bias).float()
            wanted = targets[piece, None]
            peak = logits.amax(dim=1, keepdim=True)
            picked = logits.gather(1, wanted)
            raised = logits.sub_(peak).exp_()
            sums = raised.sum(dim=1, keepdim=True)
            total += (sums.log() + peak - picked).sum()
            if gradient is not None:
                raised.div_(sums * len(hidden))
                raised.scatter_add_(1, wanted, torch.full_like(wanted, -1 / len(hidden), dtype=raised.dtype))
                gradient[piece] = raised.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        return total / len(hidden)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return (None if gradient is None else gradient * outer.to(gradient.dtype)), None, None, None


def frozen_head_loss(hidden: Tensor, head: nn.Module, targets: Tensor) -> Tensor:
    """Mean cross-entropy of `targets` (T,) under `hidden` (T, D) through a frozen linear head, in single precision.

    Raises ValueError for a head that trains, whose gradient would be lost.
    """
    weight, bias = head.get_parameter("weight"), getattr(head, "bias", None)
    if weight.requires_grad:
        raise ValueError("the head must be frozen")
    numbers = torch.get_autocast_dtype(hidden.device.type) if torch.is_autocast_enabled(hidden.device.type) else None
    hidden = hidden.to(numbers or weight.dtype)
    loss: Tensor = _FrozenHeadLoss.apply(hidden, weight.to(hidden.dtype), bias, targets)  # type: ignore[no-untyped-call]
    return loss


def decoder_loss(decoder: nn.Module, head: nn.Module, sequence: TokenSequence) -> Tensor:
    """Mean cross-entropy of a sequence's answers through a causal decoder and its head, frozen or not."""
    read = decoder(inputs_embeds=sequence.embeds, attention_mask=sequence.mask, use_cache=False)
    hidden: Tensor = read.last_hidden_state
    wanted = sequence.labels[:, 1:] != IGNORED
    before = hidden[:, :-1][wanted.to(hidden.device)]
    targets = sequence.labels[:, 1:][wanted].to(hidden.device)
    if head.get_parameter("weight").requires_grad:
        return nn.functional.cross_entropy(head(before).float(), targets)
    return frozen_head_loss(before, head, targets)
