"""What a step really keeps in memory."""

import torch
from torch import Tensor, nn

from samcli.data.batch import Batch


def kept_for_gradients(model: nn.Module, batch: Batch) -> int:
    """Bytes that a forward pass keeps for the gradients, weights left out."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(batch)
    return sum(tensor.untyped_storage().nbytes() for pointer, tensor in kept.items() if pointer not in weights)
