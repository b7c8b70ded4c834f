"""Row 5 of the paper's Table 3: VPG-C of Cheetah (ICLR 2024, section 2.1), on an InstructBLIP of any depth.

Halfway through the language model the hidden state of the last prompt token says what is still to be looked for. It is
added to a second set of queries, the frozen Q-Former reads every image again with them, and what it finds is added to
the hidden states of that image's visual tokens. This happens where the prompt is read, not for each generated token.

Shapes: B samples, M images in all, K query tokens, H Q-Former width, D LLM width, S tokens of a sequence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from samcli.model.guidance import in_own_numbers
from samcli.model.sequence import TokenSequence
from samcli.recipe_method import VpgcRecipe


@dataclass(frozen=True)
class SecondLook:
    """What the language model is reading, and how its images are looked at again with other queries."""

    sequence: TokenSequence
    owner: Tensor  # (M,) sample of each image
    images: Tensor  # (M,) their places in the batch
    outputs: Callable[[Tensor, Tensor], Tensor]  # queries (M, K, H) of these images to query tokens (M, K, H)

    def of(self, rows: Sequence[int], length: int) -> "SecondLook":
        """The same for some samples alone, read with so many tokens a row, padding on the left included."""
        whole, device = self.sequence, self.owner.device
        chosen = torch.tensor(rows, device=device)
        place = torch.full((len(whole.mask),), -1, device=device)
        place[chosen] = torch.arange(len(rows), device=device)
        visible, shown = place[whole.visual_rows] >= 0, place[self.owner] >= 0
        shift = whole.length - length
        sequence = TokenSequence(
            embeds=whole.embeds[chosen, shift:],
            mask=whole.mask[chosen, shift:],
            labels=whole.labels[chosen, shift:],
            visual_rows=place[whole.visual_rows][visible],
            visual_columns=whole.visual_columns[visible] - shift,
            last_of_prompt=whole.last_of_prompt[chosen] - shift,
        )
        return SecondLook(sequence, place[self.owner][shown], self.images[shown], self.outputs)


class Vpgc(nn.Module):
    """The trained parts: new queries, and two linear layers that start at zero, so that nothing is added at first."""

    def __init__(self, settings: VpgcRecipe, query_tokens: Tensor, llm_width: int) -> None:
        super().__init__()
        width = query_tokens.shape[-1]
        self.settings = settings
        self.queries = nn.Parameter(query_tokens.detach().clone().float())  # (1, K, H)
        self.ask = nn.Linear(llm_width, width)  # P1
        self.tell = nn.Linear(width, llm_width)  # P2
        for layer in (self.ask, self.tell):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.look: SecondLook | None = None

    def watch(self, layers: nn.ModuleList) -> RemovableHandle:
        """Act before the chosen one of the LLM's layers from now on. Raises ValueError for one that it lacks."""
        chosen = len(layers) // 2 if self.settings.layer is None else self.settings.layer
        if chosen >= len(layers):
            raise ValueError(f"vpgc.layer is {chosen}, but the language model's {len(layers)} layers count from 0")
        return layers[chosen].register_forward_pre_hook(self._before_layer)

    def _before_layer(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        hidden: Tensor = inputs[0]
        look = self.look
        if look is None:
            return None
        if hidden.shape[1] != look.sequence.length:
            raise RuntimeError(f"{hidden.shape[1]} tokens are read, and {look.sequence.length} were to be looked at")
        if not torch.is_grad_enabled():
            self.look = None  # what is read without gradients is read once; what is generated comes after it
        return (self._with_second_look(hidden, look), *inputs[1:])

    def _with_second_look(self, hidden: Tensor, look: SecondLook) -> Tensor:
        """Add what was found to hidden states (B * beams, S, D); the beams of a sample are alike."""
        sequence = look.sequence
        samples = len(sequence.last_of_prompt)
        beams = len(hidden) // samples
        last = hidden[::beams][torch.arange(samples, device=hidden.device), sequence.last_of_prompt.to(hidden.device)]
        asked = in_own_numbers(self.ask, last.to(look.owner.device))[look.owner]  # (M, H)
        found = in_own_numbers(
            self.tell, look.outputs(self.queries.to(asked.dtype) + asked[:, None], look.images)
        )  # (M, K, D)
        places = (sequence.visual_rows.to(hidden.device), sequence.visual_columns.to(hidden.device))
        added = torch.zeros_like(hidden[::beams]).index_put(places, found.flatten(0, 1).to(hidden))
        return hidden + added.repeat_interleave(beams, dim=0)
