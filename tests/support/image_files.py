"""Files of images in one colour."""

from pathlib import Path

from PIL import Image

RED = (255, 0, 0)


def save(path: Path, colour: object = RED, size: tuple[int, int] = (20, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "L" if isinstance(colour, int) else "RGB"
    Image.new(mode, size, colour).save(path)  # type: ignore[arg-type]
