"""The order of training samples: every epoch a new shuffle, any step's samples known without those before it."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=4)
def _shuffle(samples: int, epoch: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(samples)


def epoch_order(samples: int, batch_size: int, step: int, seed: int) -> NDArray[np.int64]:
    """The samples of optimiser step `step`: the shuffled epochs are laid end to end and cut into batches."""
    first = step * batch_size
    places = np.arange(first, first + batch_size)
    chosen = [_shuffle(samples, int(place // samples), seed)[place % samples] for place in places]
    return np.array(chosen, dtype=np.int64)
