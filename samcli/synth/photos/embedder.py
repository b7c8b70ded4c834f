"""Pictures and lines of text as vectors, by any CLIP, SigLIP or DINO model that transformers loads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samcli.frozen.loading import directory_of, model_from, processor_from

Vectors = NDArray[np.float32]


class Embedder:
    """Holds the model; vectors have length 1, so that products are similarities."""

    def __init__(self, name: str, revision: str | None, device: str, dtype: str) -> None:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        what = "an embedder"
        directory = directory_of(name, what, revision)
        self.name = name
        self._model: Any = model_from(AutoModel, directory, what, device, dtype)
        self._processor: Any = processor_from(AutoImageProcessor, directory, what)
        self.reads_text = hasattr(self._model, "get_text_features")
        self._tokenizer: Any = processor_from(AutoTokenizer, directory, what) if self.reads_text else None

    def pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        """One row a picture."""
        import torch

        with torch.inference_mode():
            rows = []
            for picture in pictures:  # one by one: what a picture gives doesn't depend on its company
                inputs = self._processor(images=picture, return_tensors="pt")["pixel_values"]
                rows.append(
                    self._vector("get_image_features", pixel_values=inputs.to(self._model.device, self._model.dtype))
                )
        return np.concatenate(rows)

    def text(self, line: str) -> Vectors:
        """One row; raises TypeError for a model that reads pictures alone."""
        import torch

        if not self.reads_text:
            raise TypeError(f"{self.name} reads no text")
        with torch.inference_mode():
            inputs = self._tokenizer(line, return_tensors="pt", padding="max_length", truncation=True)
            return self._vector("get_text_features", input_ids=inputs["input_ids"].to(self._model.device))

    def _vector(self, method: str, **inputs: Any) -> Vectors:
        features = getattr(self._model, method, self._model)(**inputs)
        tensor = features if hasattr(features, "norm") else features.pooler_output
        vector: Vectors = (tensor / tensor.norm(dim=-1, keepdim=True)).float().cpu().numpy()
        return vector
