"""The vectors of a list of words, which may have millions: computed once, kept in files, looked at piece by piece."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from samcli.alignment.labels.tower import PairedTower
from samcli.console import progress
from samcli.files import save_tensors

DIRECTORY = "word-features"
_OF_A_FILE = 8_192  # words, which are compared at the same time
_BATCH = 512  # words in the text tower
_ROWS = 4_096  # vectors that are compared at the same time


class WordFeatures:
    """Words in the space of a tower, in the order of their list."""

    def __init__(self, tower: PairedTower, words: Sequence[str]) -> None:
        self._tower, self._words = tower, words
        self._files: list[Any] = []

    def prepare(self, directory: Path) -> None:
        """Compute what isn't below `directory` yet; a file that is damaged, or was never finished, is made again."""
        self._files = []
        with progress("words", len(self._words)) as advance:
            for number, start in enumerate(range(0, len(self._words), _OF_A_FILE)):
                path = directory / DIRECTORY / f"{number:08d}.safetensors"
                words = self._words[start : start + _OF_A_FILE]
                if not _is_whole(path, len(words)):
                    self._write(path, words)
                self._files.append(safe_open(path, framework="pt"))
                advance(len(words))

    def _write(self, path: Path, words: Sequence[str]) -> None:
        batches = (words[start : start + _BATCH] for start in range(0, len(words), _BATCH))
        features = torch.cat([self._tower.words(batch).cpu() for batch in batches])
        save_tensors(path, lambda name: save_file({"features": features}, name))

    def _pieces(self) -> Iterator[tuple[int, Tensor]]:
        """The vectors of some words, (n, d) float32, and the place of the first of them in the list."""
        for number, file in enumerate(self._files):
            yield number * _OF_A_FILE, file.get_tensor("features")

    def nearest(self, vectors: Tensor, most: int, sign: float) -> tuple[Tensor, Tensor]:
        """The words of the highest score for each vector, the best first; the score is the cosine times `sign`.

        Args:
            vectors: (N, d) float32, of length 1.
            most: words for each vector; fewer where the list is shorter.
            sign: 1 or -1.

        Returns:
            Scores (N, K) float32 and places in the list (N, K) int64, both where `vectors` lie.
        """
        best = vectors.new_full((len(vectors), 0), 0.0)
        places = torch.zeros(len(vectors), 0, dtype=torch.int64, device=vectors.device)
        for first, features in self._pieces():
            features = features.to(vectors.device)
            found = [_top(rows, features, most, sign) for rows in vectors.split(_ROWS)]
            scores = torch.cat([best, torch.cat([score for score, _ in found])], dim=1)
            indices = torch.cat([places, first + torch.cat([place for _, place in found])], dim=1)
            best, order = scores.topk(min(most, scores.shape[1]))
            places = indices.gather(1, order)
        return best, places


def _top(rows: Tensor, features: Tensor, most: int, sign: float) -> tuple[Tensor, Tensor]:
    scores, places = (sign * rows @ features.T).topk(min(most, len(features)))
    return scores, places


def _is_whole(path: Path, words: int) -> bool:
    try:
        file: Any = safe_open(path, framework="pt")
        shape = file.get_slice("features").get_shape()
    except (OSError, SafetensorError):
        return False
    return len(shape) == 2 and int(shape[0]) == words
