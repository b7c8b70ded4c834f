"""Files of the Hugging Face hub: from its local cache, or downloaded when there is a network; never a long wait."""

from collections.abc import Sequence
from pathlib import Path

from samcli.errors import UserError

FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")  # what a model of transformers is made of
STAGE = "model of a stage"
_OPTIONS = {
    "model": "--model DIR (sam train: --set model.base=DIR)",
    "adapter": "--adapter DIR",
    STAGE: "DIR in its place in the recipe",
}


def is_hub_id(name: str) -> bool:
    """Whether a name could be OWNER/NAME on the hub."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def fetch(name: str, kind: str, patterns: Sequence[str], revision: str | None = None) -> Path:
    """The local snapshot of a hub repository with the files that match `patterns`; its name is the commit.

    Asked once for everything, so that a machine without network hears so at once: transformers asks for each file, and
    for each tries for half a minute. Raises UserError when neither the hub nor the cache has it; `kind`, model,
    adapter or `STAGE`, is what it was asked for as.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    told = kind.removesuffix(" of a stage")
    at = f" at revision {revision}" if revision else ""
    newest = "; --set model.revision=null takes the newest" if revision and kind == "model" else ""
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"no {told} {name}{at}: no directory here, not in the hub's local cache, and the hub can't be reached. "
            f"Where there is a network, `{download_command(name, revision)}` fetches it; then give {_OPTIONS[kind]}"
            f"{newest}"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"no {told} {name}{at}: no directory here, and the hub refuses it: {reason}{newest}") from error


def fetch_model(name: str, kind: str, revision: str | None = None) -> Path:
    """`fetch` of all that a model of transformers is made of: its weights as safetensors, or else as `.bin`.

    Whoever loads those must read tensors from them and nothing else (`weights_only`).
    """
    directory = fetch(name, kind, FILES, revision)
    return directory if any(directory.glob("*.safetensors")) else fetch(name, kind, (*FILES, "*.bin"), revision)


def cached(name: str, revision: str | None = None) -> Path | None:
    """The directory of that name, or of that hub id in the hub's local cache; None when it is neither."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    directory = Path(name).expanduser()
    if directory.is_dir() or not is_hub_id(name):
        return directory if directory.is_dir() else None
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def download_command(name: str, revision: str | None = None) -> str:
    """What fetches a repository into a directory, where there is a network."""
    return f"hf download {name}{f' --revision {revision}' if revision else ''} --local-dir DIR"


def upload(directory: Path, name: str, files: Sequence[str], *, private: bool) -> None:
    """Put these of a directory's files into a model repository of the hub, which is made if it isn't there.

    Raises UserError when the hub can't be reached or refuses, for example without a login.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    try:
        hub.create_repo(name, private=private, exist_ok=True)
        if private and not hub.model_info(name).private:
            raise UserError(f"{name} is public; --private is for a new repository, or change it on the hub first")
        hub.upload_folder(
            repo_id=name, folder_path=directory, allow_patterns=list(files), commit_message="A SAM adapter"
        )
    except UserError:
        raise
    except Exception as error:  # without a network the client raises what its HTTP library does, whichever that is
        reason = " ".join(str(error).split())
        raise UserError(f"{name}: the hub can't be reached or refuses ({reason}); `hf auth login` logs in") from error
