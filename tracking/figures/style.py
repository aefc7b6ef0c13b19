"""The house style: size, type, colours, and how a figure becomes a file."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.ticker import Locator, NullLocator
from numpy.typing import NDArray

from regsearch.tracking.figures.png import MM_PER_INCH, png

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SINGLE, DOUBLE = 85.0, 180.0
"""Widths in mm of a figure in one column of a journal, and across the page."""

FONT = Path(__file__).with_name("figures-sans.ttf")
"""The letters, signs and accents of DejaVu Sans; `tests/tracking/figures/test_font.py` makes it.

Embedding DejaVu Sans itself takes 0.1 s for every PDF file, nearly all of it for rules of other scripts.
"""

_NARROW = 120.0
_NARROW_STYLE: dict[Any, Any] = {
    "figure.constrained_layout.w_pad": 0.08,
    "font.size": 7,
    "lines.linewidth": 0.9,
    "lines.markersize": 3,
}
_TICK_LEFT: Final = 0
_TICK_DOWN: Final = 3
_LETTERS = 50
_LONGEST_NAME = 24
_width: ContextVar[float] = ContextVar("width", default=DOUBLE)


class Look(NamedTuple):
    """How a family of models is called and drawn: told apart by shape as well as by colour.

    Parameters
    ----------
    name, colour, marker : str
    """

    name: str
    colour: str
    marker: str


# The palette of Okabe & Ito 2008, "Color universal design": safe for all eyes, and one meaning to each colour.
TRAIN, VALIDATION = "#0072B2", "#D55E00"
CHOSEN = TEST = "#009E73"  # the test rows are opened for the chosen trial only
FAMILIES = {
    "ridge": Look("ridge", "#56B4E9", "o"),
    "lasso": Look("lasso", "#E69F00", "s"),
    "elasticnet": Look("elasticnet", "#CC79A7", "^"),
    "none": Look("unregularised", "#000000", "X"),
}
QUIET = "#707070"

_STYLE: dict[Any, Any] = {
    # matplotlib's own settings first, so that the user's, such as text.usetex, do not reach these figures
    **{key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith(("backend", "interactive"))},
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titley": 1.0,  # where it is put anyway, after a search among all that stands above the axes
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.dpi": 300,
    "font.family": ["figures sans", "DejaVu Sans"],
    "font.size": 9,
    **{f"font.{kind}": [] for kind in ("serif", "sans-serif", "cursive", "fantasy", "monospace")},  # compared per word
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.fontsize": "small",
    "legend.frameon": False,
    "legend.labelspacing": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # letters that can be edited and searched for
    "svg.hashsalt": "regsearch",
    "text.parse_math": False,  # a column's name may hold dollars
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

P = ParamSpec("P")


@contextmanager
def column(width: float) -> Iterator[None]:
    """Draw figures that are so many mm wide, `SINGLE` for example, instead of `DOUBLE`."""
    token = _width.set(width)
    try:
        yield
    finally:
        _width.reset(token)


def house_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the house style, and lay the figure out once for all of its files."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with in_house():
            figure = draw(*args, **kwargs)
            _canvas(figure)
            engine = figure.get_layout_engine()
            if engine is not None:
                _wrap(figure)
                minor = [(axes, _without_minor_ticks(axes)) for axes in figure.axes]
                engine.execute(figure)
                figure.set_layout_engine("none")
                for axes, locators in minor:
                    _draw_minor_ticks_together(axes, locators)
            return figure

    return drawn


def _without_minor_ticks(axes: Axes) -> tuple[Locator, Locator]:
    """Take away the minor ticks, which have no labels and so no part in the layout; return what places them."""
    locators = axes.xaxis.get_minor_locator(), axes.yaxis.get_minor_locator()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    return locators


def _draw_minor_ticks_together(axes: Axes, locators: tuple[Locator, Locator]) -> None:
    """Draw the minor ticks of each axis as one line of markers; as ticks, they are half of all that is drawn."""
    for axis, locator in zip((axes.xaxis, axes.yaxis), locators, strict=True):
        axis.set_minor_locator(locator)
        low, high = sorted(axis.get_view_interval())
        at = [place for place in axis.get_minorticklocs() if low <= place <= high]
        axis.set_minor_locator(NullLocator())
        if not at:
            continue
        edge = [0] * len(at)
        if axis is axes.xaxis:
            ticks = Line2D(at, edge, marker=_TICK_DOWN, transform=axes.get_xaxis_transform())
        else:
            ticks = Line2D(edge, at, marker=_TICK_LEFT, transform=axes.get_yaxis_transform())
        ticks.set(linestyle="none", color="black", clip_on=False, label="_minor ticks")
        ticks.set(markersize=mpl.rcParams["xtick.minor.size"], markeredgewidth=mpl.rcParams["xtick.minor.width"])
        axes.add_artist(ticks)


def sheet(height: float) -> Figure:
    """Return an empty figure of the column's width; `height` is in mm for `DOUBLE`, and less for a narrow one."""
    height *= 0.75 if _is_narrow() else 1
    return Figure(figsize=(_width.get() / MM_PER_INCH, height / MM_PER_INCH), layout="constrained")


def _is_narrow() -> bool:
    return _width.get() < _NARROW


def wrapped(text: str) -> str:
    """Break a text into lines that fit into a narrow figure; in a wide one it stays whole."""
    lines = text.split("\n") if _is_narrow() else ()
    return "\n".join(textwrap.fill(line, _LETTERS) for line in lines) or text


def _wrap(figure: Figure) -> None:
    for axes in figure.axes:
        axes.set_title(wrapped(axes.get_title("left")))
        axes.set_xlabel(wrapped(axes.get_xlabel()))
    if figure.get_suptitle():
        figure.suptitle(wrapped(figure.get_suptitle()), x=0.01, ha="left", fontsize="medium")


@cache
def _add_font() -> None:
    fontManager.addfont(FONT)


def in_house() -> AbstractContextManager[None]:
    """Set matplotlib's parameters to the house style, whatever the user's are."""
    _add_font()
    style = {**_STYLE, **(_NARROW_STYLE if _is_narrow() else {})}
    # setting all of them takes twice as long, and is done for every trial
    return mpl.rc_context({name: value for name, value in style.items() if mpl.rcParams[name] != value})


def to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    canvas = _canvas(figure)
    with in_house():
        canvas.draw()  # type: ignore[no-untyped-call]
    return png(np.asarray(canvas.buffer_rgba()), figure.dpi)  # type: ignore[no-untyped-call]


def _canvas(figure: Figure) -> FigureCanvasAgg:
    """Return the figure's canvas, one for laying out and drawing: it remembers how wide each word is."""
    canvas = figure.canvas
    return canvas if isinstance(canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)


def to_svg(figure: Figure) -> bytes:
    """Return a figure as the bytes of an SVG file, the same for the same figure."""
    buffer = BytesIO()
    with in_house(), _keeping_resolution(figure):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def to_pdf(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PDF file whose words are text, the same for the same figure."""
    buffer = BytesIO()
    with in_house(), _keeping_resolution(figure):
        FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None})  # type: ignore[no-untyped-call]
    return buffer.getvalue()


@contextmanager
def _keeping_resolution(figure: Figure) -> Iterator[None]:
    """Undo what matplotlib's vector formats do to a figure, so that files do not depend on those written before."""
    dpi = figure.dpi
    try:
        yield
    finally:
        figure.set_dpi(dpi)


def legend_below(figure: Figure, columns: int) -> None:
    """Put one legend under the figure, where it covers nothing; what appears in several axes is named once."""
    named: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if named:
        if _is_narrow():
            columns = 2 if max(map(len, named)) < _LETTERS / 2 else 1
        figure.legend(list(named.values()), [*map(wrapped, named)], loc="outside lower center", ncols=columns)


def number(value: float, digits: int = 3) -> str:
    """Return a number as papers print it: −1.56×10⁷ for -1.56e+07."""
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return mantissa.replace("-", "−") + (f"×{power_of_ten(int(exponent))}" if exponent else "")


def score(r2: float) -> str:
    """Return an R² with three decimals, or shorter where it is so bad that they would mean nothing."""
    return f"{r2:.3f}".replace("-", "−") if r2 > -10 else number(r2)


def power_of_ten(exponent: int) -> str:
    """Return a power of ten with its exponent raised."""
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def shortened(name: str) -> str:
    """Return a name in one line that fits beside a point of a figure."""
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"
