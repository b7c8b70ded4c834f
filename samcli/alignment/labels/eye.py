"""How a model looks at a picture: what part of it, at how many pixels, in patches of which size."""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Eye:
    """What ties a patch of a picture to a visual token; a label made with it is of just that token's patch."""

    side: int  # pixels of the square that the vision tower sees
    patch: int  # pixels of a patch's side; a rest of the square that fills no patch isn't looked at
    crop: bool  # whether the tower sees the middle square of a picture; else all of it, squashed

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.side // self.patch

    @property
    def patches(self) -> int:
        """Patches of a picture."""
        return self.grid**2

    @property
    def reach(self) -> float:
        """The share of the square's side, from the left and from the top, that whole patches cover."""
        return self.grid * self.patch / self.side

    def seen(self, picture: Image.Image) -> Image.Image:
        """The part of the picture that the tower sees, in the picture's own pixels."""
        if not self.crop:
            return picture
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        return picture.crop((left, top, left + side, top + side))
