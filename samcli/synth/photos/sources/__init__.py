"""Where photographs come from: DeepFashion In-shop, a directory for each object, or a CSV; read into objects."""

from samcli.synth.photos.sources.items import Collection, Item
from samcli.synth.photos.sources.reading import read_items

__all__ = ["Collection", "Item", "read_items"]
