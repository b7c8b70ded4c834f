"""One sample: its record as text, and its stages as one picture."""

from pathlib import Path

from samcli.answers import for_terminal
from samcli.errors import UserError
from samcli.files import atomic_write
from samcli.synth.look.made_set import entries_of, open_set
from samcli.synth.look.sample_picture import draw_sample


def show(directory: Path, identity: int) -> str:
    """A sample's record as readable text; its stages are drawn into `show-ID.png`, which the last line names.

    Raises UserError when there is no sample of that number, its record can't be understood, or nothing can be written.
    """
    entries = entries_of(directory)
    if identity not in entries:
        raise UserError(f"{directory}: no sample {identity}; its ids run from {min(entries)} to {max(entries)}")
    made, entry = open_set(directory), entries[identity]
    lines = made.describe(entry)
    path = directory / f"show-{identity}.png"
    picture = draw_sample(made.see(entry))
    with atomic_write(path, "wb") as file:
        picture.save(file, "PNG")
    return for_terminal("\n".join([*lines, f"stages: {path}"]))
