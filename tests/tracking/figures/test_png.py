from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from regsearch.tracking.figures.png import png

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(4))


@given(SIZES.flatmap(lambda size: arrays(np.uint8, size)))
def test_every_picture_comes_back_without_its_opacity(pixels):
    with Image.open(BytesIO(png(pixels, 300))) as picture:
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), pixels[..., :3])


@pytest.mark.parametrize("dpi", [72, 300])
def test_a_page_knows_how_large_a_picture_is(dpi):
    with Image.open(BytesIO(png(np.zeros((2, 3, 4), np.uint8), dpi))) as picture:
        assert picture.size == (3, 2)
        assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.02)
