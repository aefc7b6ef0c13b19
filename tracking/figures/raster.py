"""Pixels of small pictures of which many are drawn: their words in one piece each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg, get_hinting_flag
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from numpy.typing import NDArray

from regsearch.tracking.figures.png import png
from regsearch.tracking.figures.style import FONT


class Raster(RendererAgg):
    """Agg's renderer, which draws a text in one piece: letter by letter it takes three times as long."""

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,  # noqa: ARG002
        mtext: Text | None = None,  # noqa: ARG002
    ) -> None:
        """Draw a text, level or upwards, whose baseline begins at `x`, `y` (down from the top)."""
        word = _word(s, prop.get_size_in_points(), self.dpi)
        picture = np.empty((*word.mask.shape, 4), np.uint8)
        picture[..., :3] = np.round(255 * np.array(gc.get_rgb()[:3]))
        picture[..., 3] = word.mask
        x, y = round(x), round(self.height - y)
        below = round(word.descent)
        if angle:
            self.draw_image(gc, x + below - len(word.mask), y + word.left, np.rot90(picture)[::-1])
        else:
            self.draw_image(gc, x + word.left, y - below, picture[::-1])

    def get_text_width_height_descent(
        self,
        s: str,
        prop: FontProperties,
        ismath: Any,  # noqa: ARG002
    ) -> tuple[float, float, float]:
        """Return a text's size in pixels."""
        word = _word(s, prop.get_size_in_points(), self.dpi)
        return word.width, word.height, word.descent

    def to_png(self) -> bytes:
        """Return what is drawn as the bytes of a PNG file."""
        return png(np.asarray(self.buffer_rgba()), self.dpi)  # type: ignore[no-untyped-call]


class _Word(NamedTuple):
    mask: NDArray[np.uint8]
    left: int
    width: float
    height: float
    descent: float


@lru_cache(64)
def _word(text: str, size: float, dpi: float) -> _Word:
    """Return how much of each pixel a text covers, where that begins, and its size in pixels."""
    font = get_font([FONT, findfont("DejaVu Sans")])
    font.set_size(size, dpi)
    font.set_text(text, 0.0, flags=get_hinting_flag())  # type: ignore[no-untyped-call]
    font.draw_glyphs_to_bitmap(antialiased=True)
    width, height = font.get_width_height()
    left = round(font.get_bitmap_offset()[0] / 64)
    return _Word(np.array(font.get_image(), np.uint8), left, width / 64, height / 64, font.get_descent() / 64)
