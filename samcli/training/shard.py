"""A language model that is too large for one device, shared out among the processes of a training (FSDP).

Each process keeps its part of every frozen layer and has the whole of one only while that layer computes. What trains
is a few million numbers, and whole in every process.
"""

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from samcli.model.language import transformer_layers
from samcli.model.sam import SemanticAlignmentModel


def shard_language_model(model: SemanticAlignmentModel, device: torch.device, processes: int) -> None:
    """Move the model to the device, of the LLM's frozen layers this process's part alone.

    A layer in which something trains stays whole: it holds numbers of two kinds, and is small beside the others.
    """
    mesh = init_device_mesh(device.type, (processes,))
    for layer in transformer_layers(model.base):
        layer.to(device)
        if not any(parameter.requires_grad for parameter in layer.parameters()):
            fully_shard(layer, mesh=mesh, reshard_after_forward=True)  # each is a root of its own, else kept whole
    model.to(device)
