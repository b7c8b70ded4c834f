"""What tells weights apart, whatever they are called: hashes of whole files, and of numbers in memory."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from samcli.console import say
from samcli.errors import UserError
from samcli.files import cache_root, contents_hash, sha256, write_text

if TYPE_CHECKING:
    from torch import Tensor

    from samcli.model.captioner import Captioner

REMEMBERED_FROM = 1 << 28  # bytes; smaller files are hashed in less than a second


def weights_hash(directory: Path) -> str:
    """A hash of the names and all bytes of a directory's safetensors files, or else of its `.bin` files.

    Large files are hashed once.

    Raises UserError for a file that can't be read.
    """
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.safetensors")) or sorted(directory.glob("*.bin")):
        try:
            digest.update(f"{path.name}:{file_hash(path)};".encode())
        except OSError as error:
            raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """A file's SHA-256; that of a large one is kept in the cache directory until the file changes."""
    status = path.stat()
    if status.st_size < REMEMBERED_FROM:
        return sha256(path)
    state = f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
    note = cache_root() / "hashes" / hashlib.sha256(state.encode()).hexdigest()
    with suppress(OSError, ValueError):
        return note.read_text(encoding="ascii")
    say(f"hashing {path}, which is done once")
    found = sha256(path)
    with suppress(UserError):  # a cache that can't be written costs time, nothing else
        write_text(note, found)
    return found


def tensors_hash(tensors: Iterable[tuple[str, "Tensor"]]) -> str:
    """A hash of named tensors: their names, and their numbers as float32, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        digest.update(name.encode() + tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def commit_of(directory: Path) -> str | None:
    """The commit that the local snapshot of a hub repository holds; None for any other directory."""
    return directory.name if directory.parent.name == "snapshots" else None


def base_identity(directory: Path) -> dict[str, str]:
    """What tells a base from others of its name: `revision`, the commit of one from the hub, else `base`, its hash.

    Raises UserError for weights that can't be read.
    """
    commit = commit_of(directory)
    return {"base": weights_hash(directory)} if commit is None else {"revision": commit}


def asked_identity(directory: Path) -> dict[str, str]:
    """`base_identity`, and a hash of what decides beside the weights how a model is asked: settings, chat template."""
    settings = (path for pattern in ("*.json", "*.jinja") for path in sorted(directory.glob(pattern)))
    return base_identity(directory) | {"settings": contents_hash(settings)}


def loaded_weights(captioner: "Captioner") -> dict[str, str]:
    """The identity of a loaded model's base, unless it was made in memory, and `adapter`, the hash of what is trained.

    Raises UserError for weights that can't be read.
    """
    base = captioner.files.identity() if captioner.files is not None else {}
    return base if captioner.adapter is None else base | {"adapter": tensors_hash(captioner.model.trained_parameters())}
