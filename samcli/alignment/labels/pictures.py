"""Pictures as a labeller takes them: read a few at a time, cut to what the model sees of them."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from PIL import Image

from samcli.alignment.labels.eye import Eye
from samcli.data.image import open_image


def seen_pictures(images: Iterable[Path], eye: Eye, size: int) -> Iterator[list[Image.Image]]:
    """The parts of the pictures that the eye sees, at their own resolution, `size` of them at a time.

    Raises UserError for a file that isn't a picture.
    """
    rest = iter(images)
    with ThreadPoolExecutor(thread_name_prefix="labels") as threads:
        while batch := list(islice(rest, size)):
            yield list(threads.map(lambda path: eye.seen(open_image(path)), batch))
