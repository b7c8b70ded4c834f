"""Masks that were made once, in files named by what they were made of: a changed recipe keeps those that still hold."""

import hashlib
import json
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from samcli.errors import UserError
from samcli.files import atomic_write, contents_hash, read_json, sha256, write_json
from samcli.synth.photos.segment.masks import Segmented
from samcli.synth.photos.segment.segmenter import Identity
from samcli.synth.photos.stage import Rejected

VERSION = 1  # raise it when the code gives a photograph another mask
DIRECTORY = "masks"
UNREADABLE = contents_hash([Path()])  # what all files have in common that can't be read


class Kept(BaseModel):
    """What is known of a photograph's mask: its measures, or why there is none."""

    model_config = ConfigDict(extra="forbid")

    measures: dict[str, float] = Field(default_factory=dict)
    sha256: str | None = None  # of the mask's file
    reason: str | None = None
    detail: str = ""


def key_of(photo: Path, identity: Identity) -> str:
    """Names a mask: a hash of the photograph's bytes, whatever it is called, and of all that segments it."""
    contents = contents_hash([photo])
    known = str(photo) if contents == UNREADABLE else contents
    made_of = {"photograph": known, "version": VERSION, **identity}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


class MaskCache:
    """The masks of a run's directory; several processes may use it, and the same mask be made twice."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def path(self, key: str) -> str:
        """Where a mask is, PNG of mode L, relative to the run's directory; its measures are beside it."""
        return f"{DIRECTORY}/{key[:2]}/{key}.png"

    def find(self, key: str) -> Kept | None:
        """What is kept under a name; None for what isn't there or was damaged since."""
        picture = self._out / self.path(key)
        try:
            kept = Kept.model_validate(read_json(picture.with_suffix(".json")))
            whole = kept.reason is not None or (kept.sha256 is not None and kept.sha256 == sha256(picture))
        except (UserError, ValidationError, OSError):
            return None
        return kept if whole else None

    def keep(self, key: str, result: Segmented | Rejected) -> Kept:
        """Write a mask, then what says that it is whole; raises UserError when the disk is full."""
        picture = self._out / self.path(key)
        if isinstance(result, Rejected):
            kept = Kept(reason=result.reason, detail=result.detail)
        else:
            data = _png(result)
            with atomic_write(picture, "wb") as file:
                file.write(data)
            kept = Kept(measures=result.measures, sha256=hashlib.sha256(data).hexdigest())
        write_json(picture.with_suffix(".json"), kept.model_dump(exclude_defaults=True))
        return kept


def _png(result: Segmented) -> bytes:
    buffer = BytesIO()
    Image.fromarray(result.mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()
