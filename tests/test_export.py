"""An adapter from any checkpoint, and over the hub to somebody else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from samcli.errors import UserError
from samcli.model.adapter import find_adapter
from samcli.training.checkpoint import finished
from samcli.training.export import export
from samcli.training.sam_run import train_sam
from tests.hub import a_hub
from tests.training_data import make_pairs, small_recipe


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished training with validation, whose best step is its second."""
    losses = iter([3.0, 1.0, 2.0, 4.0, 5.0, 6.0])
    monkeypatch.setattr("samcli.training.validation.Validation._loss", lambda *_: next(losses))
    make_pairs(tmp_path / "held", 2)
    validation = {"data": str(tmp_path / "held"), "shown": 0, "every_steps": 1}
    train_sam(small_recipe(tmp_path, validation=validation, checkpoint={"keep": 3}), tmp_path / "run")
    return tmp_path / "run"


def test_the_last_checkpoint_is_the_adapter_that_training_wrote(run: Path, tmp_path: Path) -> None:
    made = export(run, tmp_path / "made")
    written, exported = (load_file(path / "adapter.safetensors") for path in (run / "adapter", made))
    assert written.keys() == exported.keys()
    assert all(torch.equal(written[name], exported[name]) for name in written)
    first, second = (json.loads((path / "adapter.json").read_text()) for path in (run / "adapter", made))
    assert first == second


@pytest.mark.parametrize(("step", "wanted"), [("best", 2), ("4", 4), ("last", 6)])
def test_any_checkpoint_can_be_had(run: Path, tmp_path: Path, step: str, wanted: int) -> None:
    found = find_adapter(str(export(run, tmp_path / "made", step=step)))
    assert found.record["step"] == wanted
    assert found.record["scores"]["step"] == wanted
    assert (tmp_path / "made" / "README.md").read_text(encoding="utf-8").startswith("---\nlibrary_name: samcli\n")


def test_a_run_that_was_stopped_has_adapters_too(run: Path, tmp_path: Path) -> None:
    for name in ("results.json", "adapter/adapter.json"):
        (run / name).unlink()
    assert find_adapter(str(export(run, tmp_path / "made", step="5"))).tensors


def test_other_files_are_neither_replaced_nor_published(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("precious")
    (tmp_path / "mine" / "notes.txt").write_text("secret")
    with pytest.raises(UserError, match="holds other things than an adapter"):
        export(run, tmp_path / "mine")
    assert (tmp_path / "mine" / "README.md").read_text() == "precious"


def test_what_is_not_there_is_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--step 3: there are checkpoints of steps 2, 4, 5, 6, `last` and `best`"):
        export(run, tmp_path / "made", step="3")
    with pytest.raises(UserError, match="expected OWNER/NAME"):
        export(run, tmp_path / "made", push="name")
    with pytest.raises(UserError, match="holds no training of guidance"):
        export(tmp_path, tmp_path / "made")
    (finished(run / "checkpoints")[0] / "parameters.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="is damaged"):
        export(run, tmp_path / "made", step="best")


def sam(address: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_TOKEN": "hf_" + "x" * 34}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "samcli.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


def test_an_adapter_goes_over_the_hub_to_somebody_else(run: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 40), "red").save(picture)
    asked = [str(picture), str(picture), "--prompt", "what is shared", "--json"]
    with a_hub() as (address, repositories):
        to_the_hub = ["export", str(run), "--out", str(tmp_path / "made"), "--push", "me/sam"]
        pushed = sam(address, tmp_path / "mine", *to_the_hub)
        assert pushed.returncode == 0, pushed.stderr
        assert "uploaded as me/sam" in pushed.stderr
        assert set(repositories["me/sam"]) >= {"README.md", "adapter.json", "adapter.safetensors"}
        there = sam(address, tmp_path / "theirs", "caption", *asked, "--adapter", "me/sam")
        assert there.returncode == 0, there.stderr
        nobody = sam(address, tmp_path / "theirs", "caption", *asked, "--adapter", "me/nothing")
        assert nobody.returncode == 2
        assert "no adapter me/nothing" in nobody.stderr
    here = sam(address, tmp_path / "mine", "caption", *asked, "--adapter", str(tmp_path / "made"))
    assert json.loads(there.stdout)["text"] == json.loads(here.stdout)["text"]
    gone = sam(address, tmp_path / "mine", *to_the_hub)
    assert gone.returncode == 2
    assert "me/sam: the hub can't be reached or refuses" in gone.stderr
