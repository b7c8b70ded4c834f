"""Keys and values of prompts and of everything that their beams say, without a copy when beams change places.

Every row holds one sample: its prompt, then for each step one column a beam. What a beam has said is no stretch of
columns but a path through them, and the attention mask is what knows it.

A cache of fixed shapes, as a compiled step wants them, has columns for all steps from the start, and every row is
computed; those that hold no sample see their first column and write where nobody looks.

Shapes: R rows that are computed, K beams, C columns, H heads, d channels of a head.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

ALIGNED = 16  # columns, where they are fixed: kernels of attention want masks of such widths
STEPS = 16  # at least so many more when a cache grows: short answers need little memory, long ones few copies


class _Layer(CacheLayerMixin):
    """One layer's keys and values, (R, H, C, d); `cache` knows where new ones go."""

    keys: Any
    values: Any

    def __init__(self, cache: "TreeCache") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cache = cache

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: room is made when prompts are put in."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Put a step's keys and values (R, H, K, d) into their columns; return all columns in use."""
        if self.cache.fixed:  # nothing here may depend on a number that changes from step to step
            row, columns = (one.to(self.keys.device) for one in (self.cache.every_row, self.cache.columns))
            self.keys[row, :, columns] = key_states.transpose(1, 2)
            self.values[row, :, columns] = value_states.transpose(1, 2)
            return self.keys, self.values
        rows, used = len(key_states), self.cache.used
        if self.cache.column is not None:
            new = slice(self.cache.column, self.cache.column + key_states.shape[2])
            self.keys[:rows, :, new], self.values[:rows, :, new] = key_states, value_states
        else:
            columns = self.cache.columns.to(self.keys.device)
            row = torch.arange(rows, device=columns.device)[:, None]
            self.keys[row, :, columns] = key_states.transpose(1, 2)
            self.values[row, :, columns] = value_states.transpose(1, 2)
        return self.keys[:rows, :, :used], self.values[:rows, :, :used]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns in use; nobody asks, since the mask is given whole."""
        return self.cache.used, 0

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.cache.used

    def get_max_length(self) -> int:
        """There is none."""
        return -1

    get_max_cache_shape = get_max_length  # its name in the first releases of transformers 5


class TreeCache(Cache):
    """All layers' keys and values for up to `most_rows` samples of K beams, and who descends from whom.

    Prompts have at most `longest` tokens, beams say at most `steps`. With `fixed`, all that a step computes with keeps
    its shape, and keys and values their place in memory.
    """

    layers: list[Any]

    def __init__(
        self, most_rows: int, beams: int, longest: int, steps: int, device: torch.device, *, fixed: bool = False
    ) -> None:
        super().__init__(layers=[])
        self.most_rows, self.beams, self.longest, self.steps, self.device = most_rows, beams, longest, steps, device
        self.fixed = fixed
        self.room = steps if fixed else min(STEPS, steps)  # steps that there are columns for
        self.prompts: list[int] = []  # tokens, of each row that holds a sample
        self.said: list[int] = []  # steps
        self.visible = torch.zeros(most_rows, beams, self._width, dtype=torch.bool, device=device)
        self.visible[:, :, 0] = True
        self.every_row = torch.arange(most_rows, device=device)[:, None]
        self.columns = torch.zeros(0, beams, dtype=torch.int64, device=device)  # (R, K) of the newest tokens
        self.column: int | None = None  # the first of them, where all rows have said as much
        self.used = self._width if fixed else longest

    @property
    def _width(self) -> int:
        width = self.longest + self.room * self.beams
        return -(-width // ALIGNED) * ALIGNED if self.fixed else width

    @property
    def _idle(self) -> int:
        """Rows that are computed and hold no sample."""
        return self.most_rows - len(self.prompts) if self.fixed else 0

    @property
    def positions(self) -> Tensor:
        """(R, K) positions of the newest tokens."""
        newest = [prompt + said - 1 for prompt, said in zip(self.prompts, self.said, strict=True)]
        return torch.tensor([*newest, *[0] * self._idle], device=self.device)[:, None].expand(-1, self.beams)

    def take_in(self, prompts: Any, lengths: Sequence[int]) -> None:
        """Add rows for the prompts of another cache, which are padded on the left; `lengths` are their tokens."""
        if not self.layers:
            self.layers = [self._empty(layer) for layer in prompts.layers]
        first = len(self.prompts)
        for own, theirs in zip(self.layers, prompts.layers, strict=True):
            for place, length in enumerate(lengths):
                own.keys[first + place, :, :length] = theirs.keys[place, :, -length:]
                own.values[first + place, :, :length] = theirs.values[place, :, -length:]
        self.prompts += lengths
        self.said += [0] * len(lengths)
        ends = torch.tensor(lengths, device=self.device)[:, None, None]
        self.visible[first : len(self.prompts)] = torch.arange(self._width, device=self.device) < ends

    def _empty(self, like: Any) -> _Layer:
        layer = _Layer(self)
        layer.keys, layer.values = (
            one.new_zeros(self.most_rows, one.shape[1], self._width, one.shape[3]) for one in (like.keys, like.values)
        )
        layer.is_initialized = True
        if self.fixed:  # a captured step reads and writes them where they are
            torch._dynamo.mark_static_address(layer.keys)
            torch._dynamo.mark_static_address(layer.values)
        return layer

    def go_on(self, parents: Tensor) -> None:
        """Make room for a token of each beam, which goes on from one of its row's, `parents` (R, K)."""
        least, most = min(self.said), max(self.said)
        furthest = most + 1
        if furthest > self.room:
            self._grow(furthest)
        steps = [*self.said, *[0] * self._idle]
        first = torch.tensor([self.longest + said * self.beams for said in steps], device=self.device)
        self.columns = first[:, None] + torch.arange(self.beams, device=self.device)
        if not self.fixed:
            self.column = self.longest + least * self.beams if least == most else None
            self.used = self.longest + furthest * self.beams
        rows = len(self.said)
        before = self.visible[:rows]
        after = before.gather(1, parents[..., None].expand_as(before))
        self.visible[:rows] = after.scatter_(2, self.columns[:rows, :, None], True)
        self.said = [said + 1 for said in self.said]

    def _grow(self, wanted: int) -> None:
        self.room = min(self.steps, max(wanted, self.room + max(STEPS, self.room // 2)))
        more = self._width - self.visible.shape[2]
        self.visible = torch.nn.functional.pad(self.visible, (0, more))
        for layer in self.layers:
            layer.keys = torch.nn.functional.pad(layer.keys, (0, 0, 0, more))
            layer.values = torch.nn.functional.pad(layer.values, (0, 0, 0, more))

    def mask(self) -> Tensor:
        """(R, 1, K, columns in use): which of them each beam's newest token sees."""
        rows = len(self.prompts) + self._idle
        return self.visible[:rows, None, :, : self.used]

    def wipe(self, row: int) -> None:
        """Forget a sample whose numbers are none: what is hidden counts nothing, but nothing times NaN is NaN."""
        for layer in self.layers:
            layer.keys[row], layer.values[row] = 0, 0

    def leave(self, row: int) -> None:
        """A sample leaves; the last row takes its place."""
        last = len(self.prompts) - 1
        if row != last:
            for layer in self.layers:
                layer.keys[row], layer.values[row] = layer.keys[last], layer.values[last]
            self.visible[row] = self.visible[last]
            self.prompts[row], self.said[row] = self.prompts[last], self.said[last]
        del self.prompts[last], self.said[last]
