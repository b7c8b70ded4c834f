"""The other side of the bridge: run by the Python that has `salesforce-lavis` 1.0.2, and by nothing of ours.

It reads a JSON object a line from standard input and answers each with one on standard output: `{"ok": ...}`, or
`{"error": "..."}`. Everything that LAVIS prints goes to standard error. What can be asked is in `WORK`.
"""

import json
import os
import sys
from contextlib import nullcontext
from functools import partial
from typing import Any

Json = dict[str, Any]
STATE: Json = {}


def hello(_: Json) -> Json:
    """Versions, and the models that could be loaded."""
    import torch
    import transformers
    from lavis.models import model_zoo

    names = {
        f"{name}/{kind}" for name, kinds in model_zoo.model_zoo.items() for kind in kinds if name.startswith("blip2")
    }
    return {"torch": torch.__version__, "transformers": transformers.__version__, "models": sorted(names)}


def load(request: Json) -> Json:
    """Load a BLIP-2 with its language model: {"model", "type", "device"}."""
    import torch
    from lavis.models import load_model_and_preprocess

    device = torch.device(request["device"])
    model, processors, _ = load_model_and_preprocess(request["model"], request["type"], is_eval=True, device=device)
    if not hasattr(model, "opt_model") and not hasattr(model, "t5_model"):
        raise ValueError(f"{request['model']} has no language model that could answer; take blip2_opt or blip2_t5")
    STATE.update(model=model.float() if device.type == "cpu" else model, see=processors["eval"], device=device)
    return {}


def answer(request: Json) -> Json:
    """Texts for {"requests": [{"images": [path, ...], "prompt"}], "beams", "tokens", "penalties": {...}}."""
    return {"texts": [_answer(one, request) for one in request["requests"]]}


def _answer(asked: Json, how: Json) -> str:
    """All images' visual tokens one behind the other, then the prompt: as the paper gives several images to BLIP-2."""
    import torch
    from PIL import Image

    model, device = STATE["model"], STATE["device"]
    pictures = [STATE["see"](Image.open(path).convert("RGB")) for path in asked["images"]]
    with torch.no_grad(), _numbers(model):
        features = model.ln_vision(model.visual_encoder(torch.stack(pictures).to(device)))
        seen = torch.ones(features.shape[:-1], dtype=torch.long, device=device)
        queries = model.query_tokens.expand(len(features), -1, -1)
        read = model.Qformer.bert(
            query_embeds=queries, encoder_hidden_states=features, encoder_attention_mask=seen, return_dict=True
        )
        decide = _opt if hasattr(model, "opt_model") else _t5
        text: str = decide(model, read.last_hidden_state, asked["prompt"], how, device)
        return text.strip()


def _numbers(model: Any) -> Any:
    """As LAVIS generates: in half precision on a GPU (bfloat16 for T5), in single precision elsewhere."""
    import torch

    if STATE["device"].type == "cpu":
        return nullcontext()
    return torch.cuda.amp.autocast(dtype=torch.bfloat16 if hasattr(model, "t5_model") else torch.float16)


def _settings(how: Json) -> Json:
    return {"num_beams": how["beams"], "max_new_tokens": how["tokens"], "do_sample": False, **how["penalties"]}


def _opt(model: Any, tokens: Any, prompt: str, how: Json, device: Any) -> str:
    import torch

    visual = model.opt_proj(tokens).flatten(0, 1)[None]
    text = model.opt_tokenizer(prompt, return_tensors="pt").to(device)
    mask = torch.cat([torch.ones(visual.shape[:-1], dtype=torch.long, device=device), text.attention_mask], dim=1)
    made = model.opt_model.generate(
        input_ids=text.input_ids,
        query_embeds=visual.repeat_interleave(how["beams"], dim=0),
        attention_mask=mask,
        eos_token_id=model.eos_token_id,
        **_settings(how),
    )
    said: str = model.opt_tokenizer.decode(made[0, text.input_ids.shape[1] :], skip_special_tokens=True)
    return said


def _t5(model: Any, tokens: Any, prompt: str, how: Json, device: Any) -> str:
    import torch

    visual = model.t5_proj(tokens).flatten(0, 1)[None]
    text = model.t5_tokenizer(prompt, return_tensors="pt").to(device)
    words = model.t5_model.encoder.embed_tokens(text.input_ids)
    mask = torch.cat([torch.ones(visual.shape[:-1], dtype=torch.long, device=device), text.attention_mask], dim=1)
    inputs = torch.cat([visual.to(words.dtype), words], dim=1)
    made = model.t5_model.generate(inputs_embeds=inputs, attention_mask=mask, **_settings(how))
    said: str = model.t5_tokenizer.decode(made[0], skip_special_tokens=True)
    return said


def forward(request: Json) -> Json:
    """LAVIS's vision tower and Q-Former on given weights and inputs: {"sizes", "arrays": npz in, "out": npz out}.

    Weights are `weights/NAME` under LAVIS's own names; inputs `pixel_values`, `input_ids`, `attention_mask`.
    """
    import numpy
    import torch

    arrays = numpy.load(request["arrays"], allow_pickle=False)
    weights = {name[8:]: torch.from_numpy(arrays[name]) for name in arrays.files if name.startswith("weights/")}
    tower, norm, qformer = _parts(request["sizes"])
    _fill(tower, weights, "visual_encoder.")
    _fill(norm, weights, "ln_vision.")
    _fill(qformer, weights, "Qformer.")
    with torch.no_grad():
        features = norm(tower(torch.from_numpy(arrays["pixel_values"])))
        queries = weights["query_tokens"].expand(len(features), -1, -1)
        seen = torch.ones(features.shape[:-1], dtype=torch.long)
        text = torch.from_numpy(arrays["attention_mask"])
        read = qformer.bert(
            torch.from_numpy(arrays["input_ids"]),
            attention_mask=torch.cat([torch.ones(queries.shape[:-1], dtype=torch.long), text], dim=1),
            query_embeds=queries,
            encoder_hidden_states=features,
            encoder_attention_mask=seen,
            return_dict=True,
        )
    tokens = read.last_hidden_state[:, : queries.shape[1]]
    numpy.savez(request["out"], features=features.numpy(), tokens=tokens.numpy())
    return {}


def _parts(sizes: Json) -> Any:
    """EVA's tower, the norm behind it and the Q-Former, built from sizes instead of downloads."""
    from lavis.models.blip2_models.blip2 import LayerNorm
    from lavis.models.blip2_models.Qformer import BertConfig, BertLMHeadModel
    from lavis.models.eva_vit import VisionTransformer
    from torch import nn

    tower = VisionTransformer(
        img_size=sizes["image_size"],
        patch_size=sizes["patch_size"],
        use_mean_pooling=False,
        embed_dim=sizes["vision_width"],
        depth=sizes["vision_layers"],
        num_heads=sizes["vision_heads"],
        mlp_ratio=sizes["vision_mlp"] / sizes["vision_width"],
        qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    config = BertConfig(
        vocab_size=sizes["vocabulary"],
        hidden_size=sizes["qformer_width"],
        num_hidden_layers=sizes["qformer_layers"],
        num_attention_heads=sizes["qformer_heads"],
        intermediate_size=sizes["qformer_mlp"],
        max_position_embeddings=sizes["positions"],
    )
    config.encoder_width = sizes["vision_width"]
    config.add_cross_attention, config.cross_attention_freq = True, 2
    config.query_length = sizes["queries"]
    qformer = BertLMHeadModel(config=config)
    qformer.cls = None
    return tower.eval(), LayerNorm(sizes["vision_width"]).eval(), qformer.eval()


def _fill(module: Any, weights: Json, prefix: str) -> None:
    """Load every tensor of a part, none missing and none left over."""
    own = {name[len(prefix) :]: tensor for name, tensor in weights.items() if name.startswith(prefix)}
    found = module.load_state_dict(own, strict=False)
    missing = [name for name in found.missing_keys if not name.endswith("position_ids")]
    if missing or found.unexpected_keys:
        raise ValueError(f"{prefix}: missing {missing}, unexpected {found.unexpected_keys}")


WORK = {"hello": hello, "load": load, "answer": answer, "forward": forward}


def main() -> None:
    """Answer until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what LAVIS prints must not come between the replies
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply: Json = {"ok": WORK[request["do"]](request)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
