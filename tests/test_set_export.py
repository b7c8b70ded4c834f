"""A made set in Parquet and WebDataset, read back by those who will read it: `datasets` and `webdataset`."""

import errno
import json
import os
import shutil
import signal
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import webdataset
from datasets import Image, load_dataset
from datasets import config as datasets_config

from samcli.data.export import shards
from samcli.data.export.cut import Fingerprint
from samcli.data.export.formats import FORMATS, check_formats, export_set
from samcli.data.sample import Sample, read_annotations, write_annotations
from samcli.errors import Interrupted, UserError
from samcli.files import sha256
from samcli.recipe import SynthRecipe
from samcli.synth.command import run_synth
from samcli.synth.run import synthesise

COUNT = 23
RECIPE = SynthRecipe(dataset="world-mmlink", split="test", samples=COUNT, seed=3, size=128, workers=1)
both = pytest.mark.parametrize("form", FORMATS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "run"
    synthesise(RECIPE, out)
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets_config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets_config, "HF_DATASETS_CACHE", tmp_path / "cache")


def source(run: Path) -> list[dict[str, Any]]:
    """What both formats must hold: texts, and the bytes of pictures."""
    records = json.loads((run / "annotations.json").read_text())
    return [
        {key: record[key] for key in ("id", "instruction", "output", "provenance")}
        | {"images": [(run / name).read_bytes() for name in record["img_list"]]}
        for record in records
    ]


def from_parquet(rows: Any) -> list[dict[str, Any]]:
    return [
        row | {"images": [image["bytes"] for image in row["images"]], "provenance": json.loads(row["provenance"])}
        for row in rows.cast_column("images", [Image(decode=False)])
    ]


def from_webdataset(export: Path) -> list[dict[str, Any]]:
    tars = sorted(map(str, export.glob("*.tar")))
    samples = []
    for sample in webdataset.WebDataset(tars, shardshuffle=False):
        record = json.loads(sample["json"])
        names = [name.removeprefix(f"{sample['__key__']}.") for name in record.pop("img_list")]
        assert {name for name in sample if not name.startswith("__")} == {*names, "json"}
        samples.append(record | {"images": [sample[name] for name in names]})
    return samples


def contents(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): sha256(path) for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_reads_the_directory_as_its_card_says(run: Path, streaming: bool) -> None:
    export = export_set(run, "parquet", most_samples=10)
    assert export == run / "export" / "parquet"
    names = sorted(path.name for path in export.glob("*.parquet"))
    assert names == [f"test-0000{number}-of-00003.parquet" for number in range(3)]
    sets = load_dataset(str(export), streaming=streaming)
    assert list(sets) == ["test"]
    assert from_parquet(sets["test"]) == source(run)


def test_datasets_reads_the_files_themselves_and_decodes_pictures(run: Path) -> None:
    export = export_set(run, "parquet", most_samples=10)
    rows = load_dataset("parquet", data_dir=str(export), split="test")
    assert list(rows.features) == ["id", "images", "instruction", "output", "provenance"]
    assert from_parquet(rows) == source(run)
    assert [image.size for image in rows[0]["images"]] == [(128, 128), (128, 128)]
    named = rows.cast_column("images", [Image(decode=False)])[0]["images"]
    assert [image["path"] for image in named] == ["00000000_1.png", "00000000_2.png"]


def test_webdataset_reads_the_shards_and_decodes_pictures(run: Path) -> None:
    export = export_set(run, "webdataset", most_samples=10)
    assert sorted(path.name for path in export.glob("*.tar")) == [f"test-{number:06d}.tar" for number in range(3)]
    assert from_webdataset(export) == source(run)
    decoded = next(iter(webdataset.WebDataset(str(export / "test-000000.tar"), shardshuffle=False).decode("pil")))
    assert decoded["0.png"].size == (128, 128)
    assert decoded["json"]["id"] == 0


def test_an_unpacked_shard_is_a_set_in_the_released_format(run: Path, tmp_path: Path) -> None:
    export = export_set(run, "webdataset")
    with tarfile.open(export / "test-000000.tar") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    records = [json.loads(path.read_text()) for path in (tmp_path / "unpacked").glob("*.json")]
    (tmp_path / "unpacked" / "annotations.json").write_text(json.dumps(records))
    assert {sample.instruction for sample in read_annotations(tmp_path / "unpacked")} == {
        record["instruction"] for record in source(run)
    }


@both
def test_the_manifest_tells_sizes_and_hashes(run: Path, form: str) -> None:
    export = export_set(run, form, most_samples=10)
    manifest = json.loads((export / "shards.json").read_text())
    assert manifest["samples"] == COUNT
    assert [shard["samples"] for shard in manifest["shards"]] == [10, 10, 3]
    for shard in manifest["shards"]:
        assert sha256(export / shard["name"]) == shard["sha256"]
        assert (export / shard["name"]).stat().st_size == shard["bytes"]
    assert {path.name for path in export.iterdir()} - {"README.md"} == {
        "shards.json",
        *(shard["name"] for shard in manifest["shards"]),
    }


@both
def test_shards_keep_to_so_many_bytes_of_pictures(run: Path, form: str) -> None:
    sizes = [sum(map(len, record["images"])) for record in source(run)]
    most = max(sizes) * 2
    export = export_set(run, form, most_bytes=most)
    counts = [shard["samples"] for shard in json.loads((export / "shards.json").read_text())["shards"]]
    rest = iter(sizes)
    assert max(sum(next(rest) for _ in range(count)) for count in counts) <= most
    assert sum(counts) == COUNT
    assert len(counts) > 3
    export = export_set(run, form, most_bytes=1)
    assert len(json.loads((export / "shards.json").read_text())["shards"]) == COUNT


def test_the_card_says_what_it_is_and_how_it_was_made(run: Path) -> None:
    card = (export_set(run, "parquet") / "README.md").read_text()
    assert card.startswith("---\nconfigs:\n- config_name: default\n")
    assert "num_examples: 23\n" in card
    assert "# world-mmlink\n" in card
    assert "    seed: 3\n" in card
    assert "workers" not in card


@both
def test_the_same_set_gives_the_same_bytes_wherever_and_whenever(run: Path, made: Path, form: str) -> None:
    for path in (run / "images").iterdir():
        os.utime(path, (1, 1))
    other = Path(shutil.copytree(made, run.parent / "other"))
    assert contents(export_set(run, form, most_samples=9)) == contents(export_set(other, form, most_samples=9))


@both
def test_what_is_exported_is_left_alone(run: Path, form: str) -> None:
    export = export_set(run, form, most_samples=10)
    stamps = {path: path.stat().st_mtime_ns for path in export.iterdir()}
    export_set(run, form, most_samples=10)
    assert {path: path.stat().st_mtime_ns for path in export.iterdir()} == stamps


@both
def test_a_set_that_changed_is_exported_anew_but_for_whole_shards(run: Path, form: str) -> None:
    export = export_set(run, form, most_samples=10)
    stamps = {path.name: path.stat().st_mtime_ns for path in export.iterdir()}
    records = json.loads((run / "annotations.json").read_text())
    records[-1]["output"] = "It is something else."
    (run / "annotations.json").write_text(json.dumps(records))
    export_set(run, form, most_samples=10)
    changed = {path.name for path in export.glob("test-*") if path.stat().st_mtime_ns != stamps[path.name]}
    assert len(changed) == 1
    assert "02" in changed.pop()
    (run / "annotations.json").write_text(json.dumps(records[:20]))
    export_set(run, form, most_samples=10)
    assert len(list(export.glob("test-*"))) == 2
    read = from_webdataset(export) if form == "webdataset" else from_parquet(load_dataset(str(export))["test"])
    assert read == source(run)


@both
def test_a_lost_shard_is_made_again(run: Path, form: str) -> None:
    export = export_set(run, form, most_samples=10)
    before = contents(export)
    next(export.glob("test-00001*" if form == "parquet" else "test-000001*")).unlink()
    assert contents(export_set(run, form, most_samples=10)) == before


@both
@pytest.mark.parametrize("stopped_at", [0, 1, 12, 22])
def test_an_export_that_was_killed_goes_on_with_its_next_shard(
    run: Path, made: Path, monkeypatch: pytest.MonkeyPatch, form: str, stopped_at: int
) -> None:
    whole = contents(export_set(Path(shutil.copytree(made, run.parent / "other")), form, most_samples=5))
    read: list[Path] = []

    class Killed(BaseException):
        pass

    def picture_bytes(path: Path) -> bytes:
        if len(read) == 2 * stopped_at:
            raise Killed
        read.append(path)
        return path.read_bytes()

    module = sys.modules[f"samcli.data.export.{form}"]
    with monkeypatch.context() as killing:
        killing.setattr(module, "picture_bytes", picture_bytes)
        killing.setattr("samcli.files._discard", lambda _: None)  # a kill tidies nothing up
        with pytest.raises(Killed):
            export_set(run, form, most_samples=5)
    assert not (run / "export" / form).exists()
    again: list[Path] = []

    def noted_bytes(path: Path) -> bytes:
        again.append(path)
        return path.read_bytes()

    monkeypatch.setattr(module, "picture_bytes", noted_bytes)
    assert contents(export_set(run, form, most_samples=5)) == whole
    assert len(again) == 2 * (COUNT - stopped_at // 5 * 5)
    assert {path.name for path in (run / "export").iterdir()} == {form, f".{form}.lock", f".{form}.shards.jsonl"}


@both
@pytest.mark.parametrize("call", [0, 1, 2, 3, 5, 8])
def test_a_full_disk_is_one_message_and_loses_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, form: str, call: int
) -> None:
    calls: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > call:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        with pytest.raises(UserError, match=r"can't write .*No space left on device"):
            export_set(run, form, most_samples=10)
    assert not (run / "export" / form).exists()
    export_set(run, form, most_samples=10)
    assert not list((run / "export").rglob("*.tmp"))


@both
def test_a_signal_stops_between_samples(run: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    module = sys.modules[f"samcli.data.export.{form}"]
    read: list[Path] = []

    def picture_bytes(path: Path) -> bytes:
        read.append(path)
        if len(read) == 26:
            os.kill(os.getpid(), signal.SIGTERM)
        return path.read_bytes()

    with monkeypatch.context() as stopping:
        stopping.setattr(module, "picture_bytes", picture_bytes)
        with pytest.raises(Interrupted, match="stopped with 1 of 3 shards exported; the same command goes on") as stop:
            export_set(run, form, most_samples=10)
    assert stop.value.exit_code == 143
    assert len(read) == 26
    export_set(run, form, most_samples=10)


@both
def test_pictures_that_are_missing_or_empty_are_told_at_once(run: Path, form: str) -> None:
    for number in range(7):
        (run / "images" / f"0000000{number}_1.png").unlink()
    (run / "images" / "00000008_2.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"can't be exported: 8; .*\n.*00000000_1\.png: no such file\n") as told:
        export_set(run, form)
    assert str(told.value).count("\n") == 6
    assert str(told.value).endswith("and 3 more")
    assert not (run / "export").exists()


@both
def test_a_picture_that_changes_meanwhile_is_noticed(run: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    module = sys.modules[f"samcli.data.export.{form}"]

    def picture_bytes(path: Path) -> bytes:
        if path.name == "00000003_1.png":
            path.write_bytes(path.read_bytes() + b"more")
        return path.read_bytes()

    with monkeypatch.context() as changing:
        changing.setattr(module, "picture_bytes", picture_bytes)
        with pytest.raises(UserError, match="the set changed while it was exported"):
            export_set(run, form)
    assert not (run / "export" / form).exists()


@both
def test_a_picture_that_goes_meanwhile_is_named(run: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    class Removing(Fingerprint):
        def add(self, sample: Sample) -> None:
            (run / "images" / "00000005_2.png").unlink(missing_ok=True)
            super().add(sample)

    monkeypatch.setattr(shards, "Fingerprint", Removing)
    with pytest.raises(UserError, match=r"00000005_2\.png: can't be read: No such file"):
        export_set(run, form)


@both
def test_other_peoples_files_are_never_touched(run: Path, form: str) -> None:
    (run / "export" / form).mkdir(parents=True)
    (run / "export" / form / "thesis.tex").write_text("ten years of work")
    with pytest.raises(UserError, match="holds no export"):
        export_set(run, form)
    assert (run / "export" / form / "thesis.tex").exists()


def odd_samples(directory: Path) -> Iterator[Sample]:
    (directory / "pictures").mkdir(parents=True)
    for number, identity in enumerate(["a/b.c", "ü 1", "x"]):
        images = [directory / "pictures" / f"{number}{ending}" for ending in (".PNG", ".jpg", ".jpg")]
        for place, image in enumerate(images):
            image.write_bytes(f"picture {number} {place}".encode())
        references = ("Yes.", "Indeed.") if number == 1 else ("Yes.",)
        yield Sample(identity, tuple(images[: number + 1]), "Äre they?", references)


def test_sets_that_we_did_not_make_keep_names_references_and_any_number_of_pictures(tmp_path: Path) -> None:
    samples = list(odd_samples(tmp_path / "Others"))
    write_annotations(tmp_path / "Others", samples)
    expected = [
        (sample.id, sample.instruction, sample.references, [path.read_bytes() for path in sample.images])
        for sample in samples
    ]
    rows = load_dataset(str(export_set(tmp_path / "Others", "parquet")), split="train")
    assert [
        (row["id"], row["instruction"], tuple(row["references"]), row["images"]) for row in from_parquet(rows)
    ] == expected
    read = from_webdataset(export_set(tmp_path / "Others", "webdataset"))
    assert [
        (row["id"], row["instruction"], tuple(row.get("references", [row["output"]])), row["images"]) for row in read
    ] == expected
    assert "# Others\n" in (tmp_path / "Others" / "export" / "parquet" / "README.md").read_text()


def test_formats_are_checked_by_name_and_library(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"--export parket: expected parquet or webdataset; did you mean parquet\?"):
        check_formats(["webdataset", "parket"])
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'samcli\[export\]'"):
        export_set(run, "parquet")
    export_set(run, "webdataset")


def synth(out: Path, export: list[str], shard: str | None = None) -> str:
    nothing: dict[str, Any] = {"retry_failed": False, "overwrite": False, "preview": False, "report": False}
    return run_synth(RECIPE, out, engine="local", shard=shard, show_id=None, dry_run=False, export=export, **nothing)


def test_sam_synth_exports_what_is_made_and_makes_nothing_anew(run: Path) -> None:
    before = contents(run)
    text = synth(run, ["parquet", "webdataset", "parquet"])
    assert text.splitlines()[1:] == [f"{form}: {run / 'export' / form}" for form in FORMATS]
    assert before.items() <= contents(run).items()


def test_sam_synth_refuses_to_export_half_a_set_and_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected parquet or webdataset"):
        synth(tmp_path / "run", ["csv"])
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="still lacks"):
        synth(tmp_path / "run", ["parquet"], shard="0/2")
    assert not (tmp_path / "run" / "export").exists()
