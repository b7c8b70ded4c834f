"""Run by LAVIS's Python: the worker's answers against LAVIS's own `generate`, on a small BLIP-2 of its classes.

Prints a JSON object: for one image both texts, for three the worker's.
"""

import importlib.util
import json
import sys
from types import SimpleNamespace

import torch
from lavis.models.blip2_models.blip2_opt import Blip2OPT
from lavis.models.blip2_models.modeling_opt import OPTConfig, OPTForCausalLM
from PIL import Image
from torch import nn

SIZES = {
    "image_size": 28,
    "patch_size": 14,
    "vision_width": 32,
    "vision_layers": 2,
    "vision_heads": 4,
    "vision_mlp": 64,
    "vocabulary": 40,
    "qformer_width": 24,
    "qformer_layers": 2,
    "qformer_heads": 4,
    "qformer_mlp": 48,
    "positions": 64,
    "queries": 4,
}


class Words:
    """A tokenizer of single letters, BOS first, with what LAVIS asks of OPT's."""

    def __call__(self, text, return_tensors=None, **_):
        texts = [text] if isinstance(text, str) else text
        ids = torch.tensor([[2, *(ord(letter) % 50 + 3 for letter in one)] for one in texts])
        made = SimpleNamespace(input_ids=ids, attention_mask=torch.ones_like(ids))
        made.to = lambda device: made
        return made

    def decode(self, ids, skip_special_tokens=True):
        return " ".join(str(int(one)) for one in ids if int(one) > 2)

    def batch_decode(self, rows, skip_special_tokens=True):
        return [self.decode(row) for row in rows]


def small(worker):
    """A BLIP-2 with random weights, put together from LAVIS's parts."""
    torch.manual_seed(0)
    model = Blip2OPT.__new__(Blip2OPT)
    nn.Module.__init__(model)
    model.visual_encoder, model.ln_vision, model.Qformer = worker._parts(SIZES)
    model.query_tokens = nn.Parameter(torch.randn(1, SIZES["queries"], SIZES["qformer_width"]))
    config = OPTConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, ffn_dim=64, num_attention_heads=4, word_embed_proj_dim=32
    )
    model.opt_model = OPTForCausalLM(config)
    for parameter in model.opt_model.parameters():
        nn.init.normal_(parameter, std=0.3)
    model.opt_proj = nn.Linear(SIZES["qformer_width"], 32)
    model.opt_tokenizer, model.eos_token_id, model.prompt = Words(), 1, ""
    return model.eval()


def main():
    """Compare and print."""
    path, *pictures = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("worker", path)
    worker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worker)
    model, cpu = small(worker), torch.device("cpu")

    def see(picture):
        values = torch.tensor(list(picture.getdata()), dtype=torch.float32).view(28, 28, 3)
        return values.permute(2, 0, 1) / 128 - 1

    worker.STATE.update(model=model, see=see, device=cpu)
    how = {"beams": 3, "tokens": 7, "penalties": {"repetition_penalty": 1.5, "length_penalty": 1.0, "min_length": 1}}
    ours = [worker._answer({"images": pictures[:count], "prompt": "what"}, how) for count in (1, 3)]
    image = see(Image.open(pictures[0]).convert("RGB"))[None]
    theirs = model.generate({"image": image, "prompt": "what"}, num_beams=3, max_length=7, repetition_penalty=1.5)
    print(json.dumps({"ours": ours[0], "theirs": theirs[0], "three": ours[1]}))


if __name__ == "__main__":
    main()
