"""A directory for each object: `KIND/IDENTITY/PICTURE`, at any depth."""

from collections.abc import Iterator
from pathlib import Path, PurePath

from samcli.synth.photos.record import Photo
from samcli.synth.photos.sources.items import Account, Shot
from samcli.synth.photos.sources.tree import Tree


def read(tree: Tree, place: Path, account: Account) -> Iterator[Shot]:
    """The photographs below a directory; a directory that holds some is an object, called by its path from `place`.

    Pictures right in `place` are objects of one view each, called by their file names: icons, covers. The source tells
    no split, so each object belongs to whichever is asked for: to hash a dozen objects into three splits would leave
    one of them empty.
    """
    for directory, listing in tree.walk(place, account):
        group = directory.relative_to(place).as_posix()
        for name in listing.pictures:
            identity, view = (name, "") if directory == place else (group, PurePath(name).stem)
            yield None, Photo(identity=identity, path=tree.relative(directory, name), view=view)
