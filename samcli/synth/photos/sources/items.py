"""Objects and their photographs, and the account of what was left out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from samcli.synth.photos.record import Photo

Shot = tuple[str | None, Photo]  # the split, where the source has any, and the photograph


@dataclass(frozen=True)
class Item:
    """One object: photographs that share an identity, in the order of their paths; `split` where the source has any."""

    kind: str
    identity: str
    split: str | None
    photos: tuple[Photo, ...]


@dataclass(frozen=True)
class Collection:
    """All objects by kind, kinds and objects in the order of their names, whatever the order of the file system.

    `left_out` counts by reason what isn't among them, `examples` has the first of each, `notes` what else is to be
    known of the sources.
    """

    items: dict[str, tuple[Item, ...]]
    left_out: dict[str, int]
    examples: dict[str, str]
    notes: tuple[str, ...]


@dataclass
class Account:
    """What reading one kind left out, counted by reason with the first of each, and what it noted."""

    left_out: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, what: str, count: int = 1) -> None:
        """Count what is left out; `reason` is one of few fixed phrases in the plural, `what` says which it was."""
        self.left_out[reason] = self.left_out.get(reason, 0) + count
        self.examples.setdefault(reason, what)

    def note(self, remark: str) -> None:
        """Remember a remark, once."""
        if remark not in self.notes:
            self.notes.append(remark)

    def told(self) -> str:
        """The reasons in words: `close-ups: 3, such as a.jpg; ...`."""
        return "; ".join(
            f"{reason}: {count}, such as {self.examples[reason]}" for reason, count in self.left_out.items()
        )


def grouped(kind: str, shots: Iterable[Shot], account: Account) -> list[Item]:
    """The objects of a kind, from their photographs in any order; a photograph counts once."""
    splits: dict[str, str | None] = {}
    photos: dict[str, list[Photo]] = {}
    seen: set[str] = set()
    for split, photo in shots:
        if photo.path in seen:
            account.leave_out("photographs listed more than once", photo.path)
            continue
        seen.add(photo.path)
        splits[photo.identity] = split
        photos.setdefault(photo.identity, []).append(photo)
    return [
        Item(kind, identity, splits[identity], tuple(sorted(photos[identity], key=lambda photo: photo.path)))
        for identity in sorted(photos)
    ]


def collected(items: dict[str, tuple[Item, ...]], accounts: Iterable[Account]) -> Collection:
    """The objects of all kinds, with all that was left out."""
    whole = Account()
    for account in accounts:
        for reason, count in account.left_out.items():
            whole.leave_out(reason, account.examples[reason], count)
        for remark in account.notes:
            whole.note(remark)
    return Collection(items, whole.left_out, whole.examples, tuple(whole.notes))
