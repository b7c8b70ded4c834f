"""The order of training samples: every epoch a new shuffle, any step's samples known without those before it.

With lengths, samples of like length share a batch, so that less is padded: an epoch's shuffle is cut into windows of
several batches, each window is sorted, and its batches come in chance order. Which samples a window holds stays chance.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Order = NDArray[np.int64]


class EpochOrder:
    """The samples of each optimiser step: shuffled epochs laid end to end and cut into batches.

    `lengths` and `window`, a number of batches, group by length; an epoch's last, shorter window is grouped too.
    """

    def __init__(
        self, samples: int, batch_size: int, seed: int, lengths: Sequence[int] | Order | None = None, window: int = 0
    ) -> None:
        self.samples, self.batch_size, self.seed, self.window = samples, batch_size, seed, window
        self.lengths = np.asarray(lengths) if lengths is not None and window > 1 else None
        self._epoch = lru_cache(maxsize=4)(self._shuffled)

    def step(self, number: int) -> Order:
        """The samples of step `number`, from 0."""
        places = np.arange(number * self.batch_size, (number + 1) * self.batch_size)
        return np.array([self._epoch(int(place // self.samples))[place % self.samples] for place in places])

    def _shuffled(self, epoch: int) -> Order:
        generator = np.random.default_rng((self.seed, epoch))
        order = generator.permutation(self.samples)
        if self.lengths is None:
            return order
        size = self.window * self.batch_size
        windows = [order[start : start + size] for start in range(0, self.samples, size)]
        return np.concatenate([self._grouped(window, self.lengths, generator) for window in windows])

    def _grouped(self, window: Order, lengths: Order, generator: np.random.Generator) -> Order:
        """A window's samples by length, its batches in chance order; what fills no batch stays at the end."""
        by_length = window[np.argsort(lengths[window], kind="stable")]
        whole = len(window) // self.batch_size * self.batch_size
        batches = by_length[:whole].reshape(-1, self.batch_size)
        return np.concatenate([generator.permutation(batches).ravel(), by_length[whole:]])
