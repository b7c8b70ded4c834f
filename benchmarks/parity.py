"""How near this implementation is to the released code, on small models whose answers were recorded there.

    python benchmarks/parity.py DIR... [--json]

Each DIR holds `weights.safetensors` (a random model under the released key names), `golden.json` (its sizes) and
`cases.safetensors` (inputs and what the released code made of them, for several numbers of images).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypedDict

import torch
import typer
from rich.table import Table
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from samcli.console import say, stdout
from samcli.data.batch import Batch
from samcli.errors import UserError
from samcli.files import read_json
from samcli.model.released import convert_released, released_guidance_and_projection, use_released_norm
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import DecodingRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe

PAD, BOS, EOS = 0, 1, 2


class Difference(TypedDict):
    """How far one case is from the released code: largest absolute differences, and whether texts are the same."""

    tokens: float
    loss: float
    gradients: float
    greedy_equal: bool
    beam_equal: bool


def configuration(sizes: Mapping[str, int]) -> InstructBlipConfig:
    """The model configuration for the sizes of a `golden.json`."""
    return InstructBlipConfig(
        vision_config={
            "hidden_size": sizes["vision_hidden"],
            "intermediate_size": sizes["vision_mlp"],
            "num_hidden_layers": sizes["vision_layers"],
            "num_attention_heads": sizes["vision_heads"],
            "image_size": sizes["image_size"],
            "patch_size": sizes["patch_size"],
        },
        qformer_config={
            "vocab_size": sizes["qformer_vocab"],
            "hidden_size": sizes["qformer_hidden"],
            "num_hidden_layers": sizes["qformer_layers"],
            "num_attention_heads": sizes["qformer_heads"],
            "intermediate_size": sizes["qformer_mlp"],
            "max_position_embeddings": sizes["qformer_positions"],
        },
        text_config={
            "model_type": "llama",
            "vocab_size": sizes["llm_vocab"],
            "hidden_size": sizes["llm_hidden"],
            "num_hidden_layers": sizes["llm_layers"],
            "num_attention_heads": sizes["llm_heads"],
            "intermediate_size": sizes["llm_mlp"],
            "pad_token_id": PAD,
            "bos_token_id": BOS,
            "eos_token_id": EOS,
        },
        num_query_tokens=sizes["queries"],
    )


def released_model(weights: Mapping[str, Tensor], sizes: Mapping[str, int]) -> SemanticAlignmentModel:
    """The model as released: one merge for all images, guided at the Q-Former's last layer, a lone image too."""
    config, last = configuration(sizes), sizes["qformer_layers"]
    guidance = GuidanceRecipe(
        context="all", weights="softmax-images", from_layer=last, to_layer=last, single_image="guided"
    )
    model = SemanticAlignmentModel(InstructBlipForConditionalGeneration(config), MethodRecipe(guidance=guidance))
    base_state, guidance_state = convert_released(weights, config)
    model.load_state_dict(
        {f"base.{name}": tensor for name, tensor in base_state.items()}
        | {f"guidance.{name}": tensor for name, tensor in guidance_state.items()}
    )
    use_released_norm(model.base)
    return model


def batch_of(case: Mapping[str, Tensor]) -> Batch:
    """A recorded case as a batch; the answers' first token, a BOS, is no target."""
    pixels = case["pixel_values"]  # (B, N, 3, H, W)
    return Batch(
        image_counts=torch.full((len(pixels),), pixels.shape[1]),
        qformer_ids=case["qformer_input_ids"],
        qformer_mask=case["qformer_attention_mask"],
        prompt_ids=case["prompt_ids"],
        prompt_mask=case["prompt_mask"],
        pixel_values=pixels.flatten(0, 1),
        answer_ids=case["answer_ids"][:, 1:],
        answer_mask=case["answer_mask"][:, 1:],
    )


def compare(model: SemanticAlignmentModel, case: Mapping[str, Tensor]) -> Difference:
    """Run one recorded case through `model`, from pixels to loss, gradients and texts."""
    batch = batch_of(case)
    model.zero_grad()
    embeds = model.encode_images(case["pixel_values"].flatten(0, 1))
    queries = model.query_outputs(embeds, batch.image_counts, batch.qformer_ids, batch.qformer_mask)
    visual = model.base.language_projection(queries)
    loss = model.answer_loss(visual, batch)
    loss.backward()
    before, after = _largest(queries, case["visual_tokens_qformer"]), _largest(visual, case["visual_tokens_llm"])
    return {
        "tokens": max(before, after),
        "loss": _largest(loss, case["loss"]),
        "gradients": _gradient_difference(model, case),
        "greedy_equal": _same_texts(model, batch, beams=1, recorded=case["greedy_ids"]),
        "beam_equal": _same_texts(model, batch, beams=5, recorded=case["beam5_ids"]),
    }


def parity(directory: Path) -> dict[str, Difference]:
    """Every case of a directory by its name (`n2`: two images); raises UserError for files that lack something."""
    try:
        sizes = read_json(directory / "golden.json")["config"]
        model = released_model(_tensors(directory / "weights.safetensors"), sizes)
        cases = _tensors(directory / "cases.safetensors")
        names = [f"n{images}" for images in sizes["images"]]
        return {name: compare(model, _under(f"{name}.", cases)) for name in names}
    except KeyError as error:
        raise UserError(f"{directory}: its files lack {error}") from None


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: can't be read as safetensors ({error})") from None


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def _largest(ours: Tensor, recorded: Tensor) -> float:
    return float((ours.detach().flatten() - recorded.flatten()).abs().max())


def _gradient_difference(model: SemanticAlignmentModel, case: Mapping[str, Tensor]) -> float:
    """The largest difference over the largest entry of all recorded gradients."""
    recorded = released_guidance_and_projection(_under("grad.", case), model.base.config)
    ours = {name: p.grad for name, p in model.trained_parameters() if p.grad is not None}
    differences = [_largest(ours[name], gradient) for name, gradient in recorded.items()]
    return max(differences) / max(float(gradient.abs().max()) for gradient in recorded.values())


def _same_texts(model: SemanticAlignmentModel, batch: Batch, beams: int, recorded: Tensor) -> bool:
    """Whether the generated ids are the recorded ones, where a 2 stands for any padding, as the release writes it."""
    ids = model.generate(batch, DecodingRecipe(beams=beams, max_length=12, repetition_penalty=1.5))
    width = max(ids.shape[1], recorded.shape[1])
    ours, theirs = (_padded(rows, width) for rows in (ids, recorded))
    return torch.equal(ours, theirs)


def _padded(ids: Tensor, width: int) -> Tensor:
    return nn.functional.pad(ids.masked_fill(ids == PAD, EOS), (0, width - ids.shape[1]), value=EOS)


def _table(found: Mapping[str, Mapping[str, Difference]]) -> Table:
    table = Table("case", "tokens", "loss", "gradients", "greedy", "beams")
    for directory, cases in found.items():
        table.add_section()
        for name, case in cases.items():
            numbers = (f"{case['tokens']:.1e}", f"{case['loss']:.1e}", f"{case['gradients']:.1e}")
            texts = ("equal" if same else "different" for same in (case["greedy_equal"], case["beam_equal"]))
            table.add_row(f"{Path(directory).name} {name}", *numbers, *texts)
    return table


app = typer.Typer(add_completion=False)


@app.command()
def main(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="recorded answers of the released code")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON alone")] = False,
) -> None:
    """Compare this implementation with recorded answers of the released code."""
    try:
        found = {str(directory): parity(directory) for directory in directories}
    except UserError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        stdout.print(_table(found))


if __name__ == "__main__":
    app()
