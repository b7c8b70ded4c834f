"""The optimiser and its learning-rate schedule."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from samcli.errors import UserError
from samcli.recipe import OptimRecipe


def build_optimizers(named: Iterable[tuple[str, nn.Parameter]], settings: OptimRecipe) -> list[torch.optim.Optimizer]:
    """AdamW over the parameters, or Muon over the matrices of repeated layers and AdamW over the rest.

    Biases and norms (one-dimensional) decay only with `decay_biases`. Raises UserError when there is nothing for Muon.
    """
    matrices: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in named:
        if settings.optimizer == "muon" and parameter.ndim == 2 and ".layer" in name:
            matrices.append(parameter)
        else:
            (decayed if parameter.ndim > 1 or settings.decay_biases else plain).append(parameter)
    if settings.optimizer == "muon" and not matrices:
        raise UserError("optim.optimizer: muon is for the matrices of repeated layers, and none trains here; use adamw")
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    optimizers: list[torch.optim.Optimizer] = []
    if groups:
        optimizers.append(torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, foreach=False))
    if matrices:
        rate, decay = settings.learning_rate, settings.weight_decay
        optimizers.append(torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def step_samples(settings: OptimRecipe, processes: int) -> int:
    """Samples of an optimiser step on all devices together."""
    return settings.batch_size * (processes if settings.batch_is == "per-device" else 1)


def total_steps(settings: OptimRecipe, samples: int, processes: int = 1) -> int:
    """Optimiser steps of a run: `steps`, or enough for `epochs` passes over `samples`."""
    return settings.steps or max(1, math.ceil(settings.epochs * samples / step_samples(settings, processes)))


def schedule_warning(settings: OptimRecipe, steps: int, section: str = "optim") -> str | None:
    """What is odd about a schedule over so many steps; `section` of the recipe holds the settings."""
    if steps > settings.warmup_steps or settings.warmup_learning_rate >= settings.learning_rate:
        return None
    return (
        f"all of its steps ({steps}) are warm-up ({section}.warmup_steps: {settings.warmup_steps}), so the learning "
        f"rate never reaches its peak; lower that or raise {section}.{'steps' if settings.steps else 'epochs'}"
    )


def learning_rate(settings: OptimRecipe, step: int, steps: int, steps_per_epoch: int) -> float:
    """The rate of step `step` (from 0) of `steps`: linear warm-up, then the schedule.

    `cosine-by-epoch` follows LAVIS: after the warm-up steps the rate depends on the epoch alone.
    """
    if step < settings.warmup_steps:
        share = (step + 1) / settings.warmup_steps
        return settings.warmup_learning_rate + share * (settings.learning_rate - settings.warmup_learning_rate)
    if settings.schedule == "constant":
        return settings.learning_rate
    if settings.schedule == "cosine":
        done = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    else:
        done = (step // steps_per_epoch) / max(1, math.ceil(steps / steps_per_epoch))
    swing = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return settings.min_learning_rate + swing * (settings.learning_rate - settings.min_learning_rate)
