"""The figures' font is DejaVu Sans with fewer characters.  To make it anew:

python tests/tracking/figures/test_font.py
"""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
from fontTools import subset
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont

from regsearch.tracking import figures
from regsearch.tracking.figures import style

WHOLE = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
LETTERS = [range(0x20, 0x7F), range(0xA0, 0x180), range(0x370, 0x400)]
SIGNS = [range(0x2010, 0x2027), range(0x2070, 0x209D), *([ord(sign)] for sign in "€←→−√∞≈≤≥★")]


def make():
    options = subset.Options(layout_features=[], drop_tables=["GSUB", "GPOS", "GDEF", "MATH"], hinting=False)
    options.legacy_kern = options.notdef_outline = True
    font = subset.load_font(str(WHOLE), options)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=[code for codes in (*LETTERS, *SIGNS) for code in codes])
    cut.subset(font)
    kept = [record for record in font["name"].names if record.nameID in (0, 1, 2, 4, 6, 13)]  # 0 and 13: the licence
    for record in kept:
        if record.nameID in (1, 4, 6):
            record.string = "figures-sans" if record.nameID == 6 else "figures sans"
    font["name"].names = kept
    font["head"].modified = font["head"].created
    font.recalcTimestamp = False
    font.save(style.FONT)


def outline(font, code):
    name, glyphs = font.getBestCmap()[code], font.getGlyphSet()
    pen = DecomposingRecordingPen(glyphs)
    glyphs[name].draw(pen)
    return pen.value, font["hmtx"][name][0]


def test_each_character_is_dejavu_s_and_as_wide():
    whole, ours = TTFont(WHOLE), TTFont(style.FONT)
    assert len(ours.getBestCmap()) > 400
    assert {*"Rr²±−×⁷⁻/αµß"} <= {chr(code) for code in ours.getBestCmap()}
    for code in ours.getBestCmap():
        assert outline(ours, code) == outline(whole, code), chr(code)


def embedded(pdf):
    return set(re.findall(rb"/BaseFont /(?:[A-Z]{6}\+)?([\w-]+)", pdf))


def test_words_of_a_pdf_are_text_in_an_embedded_font_that_journals_take():
    pdf = figures.to_pdf(figures.weights(np.arange(9.0), "ridge"))
    assert embedded(pdf) == {b"figures-sans"}
    assert re.findall(rb"/Subtype /(Type\d|TrueType|CIDFontType\d)", pdf).count(b"Type3") == 0
    assert b"/FontFile2" in pdf


def test_a_name_in_other_letters_is_drawn_in_dejavu_itself():
    pdf = figures.to_pdf(figures.weights(np.arange(9.0), "скорость"))
    assert embedded(pdf) == {b"figures-sans", b"DejaVuSans"}


if __name__ == "__main__":
    make()
