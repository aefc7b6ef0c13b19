import itertools
import os
import re
import subprocess
import sys
from io import BytesIO
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from regsearch.tracking import figures
from regsearch.tracking.figures import style

# Machado, Oliveira & Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency":
# complete deficiencies, on linear RGB.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour, deficiency):
    """Return a colour in CIELAB as an eye with a deficiency sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(BLIND[deficiency]) @ linear, 0, 1) / TO_XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", BLIND)
@pytest.mark.parametrize(
    "together",
    [
        [look.colour for look in style.FAMILIES.values()] + [style.CHOSEN],
        [style.TRAIN, style.VALIDATION, style.CHOSEN],
    ],
    ids=["families", "rows"],
)
def test_colours_that_share_a_figure_are_told_apart_by_colour_blind_eyes(deficiency, together):
    for one, other in itertools.combinations(together, 2):
        assert np.linalg.norm(lab(one, deficiency) - lab(other, deficiency)) > 15, (one, other)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.00314, "0.00314"), (-0.5, "−0.5"), (-1.5639e7, "−1.56×10⁷"), (2e-6, "2×10⁻⁶"), (0, "0")]
)
def test_numbers_are_written_as_papers_print_them(value, shown):
    assert style.number(value) == shown


def test_an_svg_is_the_same_each_time():
    first, second = (figures.to_svg(figures.weights(np.arange(9.0), "ridge")) for _ in range(2))
    assert first == second
    assert b"dc:date" not in first
    assert ET.fromstring(first).tag.endswith("svg")


def test_figures_leave_the_callers_own_style_alone():
    before = dict(mpl.rcParams)
    figures.to_svg(figures.weights(np.ones(3), "ridge"))
    assert dict(mpl.rcParams) == before


def test_a_png_is_180_mm_wide_at_300_dots_per_inch():
    picture = Image.open(BytesIO(figures.to_png(figures.weights_compared(np.ones(9), np.ones(9), "ridge", "speed"))))
    assert picture.width == pytest.approx(180 / 25.4 * 300, abs=1)
    assert picture.info["dpi"] == pytest.approx((300, 300), abs=1)


@pytest.mark.parametrize("width", [figures.SINGLE, figures.DOUBLE])
def test_a_pdf_is_as_wide_as_its_column_and_the_same_each_time(width):
    with figures.column(width):
        first, second = (
            figures.to_pdf(figures.weights_compared(np.ones(9), np.ones(9), "ridge", "speed")) for _ in range(2)
        )
    assert first == second
    (box,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) [\d.]+ ?\]", first)
    assert float(box) == pytest.approx(width / 25.4 * 72, abs=0.01)


def test_the_width_of_a_column_holds_no_longer_than_asked_for():
    with pytest.raises(ZeroDivisionError), figures.column(figures.SINGLE):
        1 / 0  # noqa: B018
    figure = figures.weights_compared(np.ones(9), np.ones(9), "ridge", "speed")
    assert figure.get_figwidth() * 25.4 == pytest.approx(figures.DOUBLE)


def test_a_name_with_a_dollar_is_not_a_formula():
    figure = figures.weights_compared(np.ones(2), np.ones(2), "ridge", "speed", ["$x", "y$ and much more than fits"])
    figures.to_svg(figure)
    words = [text.get_text() for text in figure.axes[1].texts]
    assert words[0] == "$x"
    assert words[1].startswith("y$ and")


def test_the_users_own_settings_do_not_reach_a_figure():
    plain = figures.weights_png(np.ones(3), "ridge")
    trace = figures.Trace(np.arange(3), np.arange(3.0), np.ones(3))
    with mpl.rc_context({"text.usetex": True, "font.family": "no such font", "font.size": 20, "savefig.dpi": 7}):
        assert figures.weights_png(np.ones(3), "ridge") == plain
        assert figures.to_png(figures.predictions(trace, trace, "y", "ridge"))


@pytest.mark.parametrize("name", ["$$", "$_$", r"$\frac$ [/bold]", "a_$x", "<&>"])
def test_a_name_is_drawn_letter_by_letter(name):
    trace = figures.Trace(np.arange(3), np.arange(3.0), np.ones(3))
    figure = figures.predictions(trace, trace, name, name)
    assert figures.to_png(figure).startswith(b"\x89PNG")
    assert ET.fromstring(figures.to_svg(figure)).tag.endswith("svg")
    assert not figure.axes[0].yaxis.label.get_parse_math()


def test_a_figure_that_cannot_be_drawn_is_a_line_once(caplog):
    for _ in range(2):
        assert figures.weights_png(np.full(3, np.inf), "ridge") == b""
    (said,) = caplog.messages
    assert said.startswith("the stem plot of a trial's weights cannot be drawn (")


@pytest.mark.parametrize("backend", ["nonsense", "module://no.such.kernel"])
def test_any_backend_of_the_environment_will_do(backend):
    draw = "import numpy, os; from regsearch.tracking import figures; figures.weights_png(numpy.ones(3), 'ridge')"
    done = subprocess.run(
        [sys.executable, "-c", f"{draw}; print(os.environ['MPLBACKEND'])"],
        env={**os.environ, "MPLBACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == backend, done.stderr


def test_a_name_is_shown_in_one_short_line():
    assert style.shortened("protein\nin  µg") == "protein in µg"
    assert style.shortened(" lead" * 100).startswith("lead lead")
    assert len(style.shortened("z" * 300)) < 40
