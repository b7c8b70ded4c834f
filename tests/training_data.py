"""A small model, pairs of plain pictures and a recipe, for tests of whole trainings."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from samcli.recipe import SamRecipe
from tests.small_models import save_small, small_sizes

COLOURS = ("red", "blue", "green")


def make_pairs(directory: Path, count: int = 12, images: int = 2) -> Path:
    """Samples of so many plain pictures; what is asked and answered grows with the sample's number."""
    directory.mkdir()
    records = []
    for index in range(count):
        names = [f"{index}{chr(97 + side)}.png" for side in range(images)]
        for side, name in enumerate(names):
            Image.new("RGB", (40, 40), (index * 20 % 256, 99, 30 * side)).save(directory / name)
        asked = " ".join(["what is shared", *["on the sofa"] * (index % 4)])
        answer = " ".join(["cat"] * (1 + index % 3))
        records.append({"id": index, "img_list": names, "instruction": asked, "output": answer})
    (directory / "annotations.json").write_text(json.dumps(records), encoding="utf-8")
    return directory


def small_recipe(home: Path, **sections: Any) -> SamRecipe:
    """Six steps of four samples, saved at each, in single precision; `sections` change it."""
    if not (home / "base").exists():
        save_small(home / "base", small_sizes(qformer_layers=4, llm_layers=3))
        make_pairs(home / "pairs")
    settings: dict[str, Any] = {
        "model": {"base": str(home / "base"), "device": "cpu"},
        "guidance": {"from_layer": 2, "to_layer": 3},
        "data": {"train": str(home / "pairs")},
        "optim": {"batch_size": 4, "steps": 6, "warmup_steps": 1, "learning_rate": 0.01},
        "checkpoint": {"every_steps": 1, "every_minutes": None, "keep": 2},
        "log_every": 1,
    }
    for name, changes in sections.items():
        settings[name] = settings[name] | changes if isinstance(settings.get(name), dict) else changes
    return SamRecipe.model_validate(settings)
