"""Odd image files: formats, endings, depths, transparency, names."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

from tests.odd_files.odd_file import OddFile

Colour = tuple[int, int, int]
RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)
SIDE = 8
N = SIDE * SIDE


def encoded(
    file_format: str, image: Image.Image | None = None, **options: Any
) -> bytes:
    """An image, a red one by default, in a format of Pillow."""
    buffer = io.BytesIO()
    image = image or Image.new("RGB", (SIDE, SIDE), RED)
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def png_16(*values: int, transparent: bool = False) -> bytes:
    """A PNG with 16 bits a value, all pixels alike: 1 grey, 2 grey and alpha, ..."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[len(values)]
    pixel = struct.pack(f">{len(values)}H", *values)
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 16, kind, 0, 0, 0)
    pixels = zlib.compress((b"\0" + pixel * SIDE) * SIDE)
    chunks = [(b"IHDR", head), (b"tRNS", pixel), (b"IDAT", pixels), (b"IEND", b"")]
    kept = [_chunk(*one) for one in chunks if transparent or one[0] != b"tRNS"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(kept)


def tiff(
    data: bytes, bits: int, samples: int = 1, white_is_zero: bool = False
) -> bytes:
    """A TIFF of grey or RGB values without compression."""
    photometric = 2 if samples == 3 else 1 - white_is_zero
    start = 8 + len(data)
    depth = (start + 2 + 9 * 12 + 4) if samples == 3 else bits  # where the three stand
    tags = [
        *((256, SIDE), (257, SIDE), (258, depth), (259, 1), (262, photometric)),
        *((273, 8), (277, samples), (278, SIDE), (279, len(data))),
    ]
    entries = [
        struct.pack("<HHII", tag, 3, samples if tag == 258 else 1, value)
        for tag, value in tags
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
    after = struct.pack("<3H", bits, bits, bits)
    return b"II*\0" + struct.pack("<I", start) + data + directory + after


def _frames(first: Colour, second: Colour) -> dict[str, Any]:
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in (first, second)]
    return {"image": frames[0], "save_all": True, "append_images": frames[1:]}


def grey_16(value: int) -> bytes:
    return struct.pack("<H", value) * N


EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
)
FORMATS = [
    OddFile("moving.gif", encoded("GIF", **_frames(RED, BLACK)), RED),
    OddFile("moving.png", encoded("PNG", **_frames(RED, BLACK)), RED),
    OddFile("moving.webp", encoded("WEBP", lossless=True, **_frames(RED, BLACK)), RED),
    OddFile("one.jfif", encoded("JPEG"), RED),
    OddFile("one.JPE", encoded("JPEG"), RED),
    OddFile("one.avif", encoded("AVIF"), RED),
    OddFile(
        "inks.jpg", encoded("JPEG", Image.new("CMYK", (8, 8), (0, 0, 0, 255))), BLACK
    ),
    OddFile("named_wrongly.jpg", encoded("PNG"), RED),
    OddFile("class/without_ending", encoded("PNG"), RED),
    OddFile("caf\udce9.png", encoded("PNG"), RED),
    OddFile("script.png", EPS, error=r"1 of 1 .*script\.png \(cannot identify image"),
    OddFile("script", EPS, error=r"no image below .*found 1 no ending"),
    OddFile("phone.heic", b"\0\0\0\x18ftypheic", error=r"no image .*found 1 \.heic"),
    OddFile(
        "caf\udce9.txt", b"1", error=r"no image .*1 \.txt, such as .*caf\\xe9\.txt"
    ),
    OddFile("cut.png", encoded("PNG")[:-30], error=r"1 of 1 files are not readable"),
    OddFile(
        "caf\udce9/1.png", b"", error=r"1 of 1 .*caf\\xe9/1\.png \(cannot identify"
    ),
]
DEPTHS = [
    OddFile("full.tif", tiff(grey_16(65535), 16), WHITE),
    OddFile("bright.tif", tiff(grey_16(128 << 8), 16), (128,) * 3),
    OddFile("black.tif", tiff(grey_16(0), 16), BLACK),
    OddFile("negative.tif", tiff(grey_16(0), 16, white_is_zero=True), WHITE),
    OddFile("packed_12.tif", tiff(b"\xff" * (N * 3 // 2), 12), WHITE),
    OddFile("dark_12.tif", tiff(b"\x80\x08\x00" * (N // 2), 12), (128,) * 3),
    OddFile("colours.tif", tiff(b"\xff\xff\0\0\0\0" * N, 16, samples=3), RED),
    OddFile(
        "12_in_16.tif",
        tiff(grey_16(4095), 16),
        error="12_in_16.tif has no value above 4095 of 65535, .* set data.white_level",
    ),
    OddFile("told.tif", tiff(grey_16(4095), 16), WHITE, options={"white_level": 4095}),
    OddFile(
        "dark.tif", tiff(grey_16(4095), 16), (15,) * 3, options={"white_level": 65535}
    ),
    OddFile(
        "above.tif",
        tiff(grey_16(4096), 16),
        error="has the value 4096, above data.white_level 4095; set that higher",
        options={"white_level": 4095},
    ),
    OddFile("12_in_16.png", png_16(4095), error="no value above 4095 .*white_level"),
    OddFile("colours_12.png", png_16(4095, 0, 0), error="no value above .*white_level"),
    OddFile("alpha_12.png", png_16(4095, 65535), error="no value above .*white_level"),
    OddFile(
        "no_such_level.png",
        png_16(4095, 0, 0),
        error=r"1 of 1 .*\(colours of 16 bits are read with the upper 8 of them",
        options={"white_level": 4095},
    ),
    OddFile("12.pgm", b"P5 8 8 4095\n" + struct.pack(">H", 4095) * N, WHITE),
    OddFile("12.ppm", b"P6 8 8 4095\n" + struct.pack(">3H", 4095, 0, 0) * N, RED),
]
TRANSPARENT = [
    OddFile("grey.png", png_16(40000, transparent=True), WHITE),
    OddFile(
        "colour.png",
        png_16(65535, 0, 0, transparent=True),
        error=r"1 of 1 .*\(a colour of 16 bits is transparent",
    ),
    OddFile("alpha.png", png_16(65535, 0, 0, 0), WHITE),
    OddFile(
        "index.gif", encoded("GIF", Image.new("P", (8, 8), 1), transparency=1), WHITE
    ),
]
IMAGES = [*FORMATS, *DEPTHS, *TRANSPARENT]
