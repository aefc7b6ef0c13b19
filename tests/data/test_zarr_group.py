"""A Zarr group is read only if all of it is there, in bounded memory, and its values are those that were hashed."""

import base64
import bz2
import gzip
import json
import lzma
import shutil
import struct
import tracemalloc
import zlib

import numcodecs
import numpy as np
import pyarrow as pa
import pytest
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec

from regsearch import data
from regsearch.data import Split, seal
from regsearch.errors import DataError

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 11)).astype(np.float32), RNG.standard_normal(40)
FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])


def save(folder, values=X, *, zarr_format=3, attributes=None, **options):
    path = folder / "r.zarr"
    group = zarr.create_group(path, zarr_format=zarr_format)
    array = group.create_array("X", data=values, **({"chunks": (8, 4)} | options))
    array.attrs.update(attributes or {})
    group.create_array("y", data=Y)
    return path


def first_chunk(path):
    return path / "X" / ("0.0" if (path / "X" / ".zarray").exists() else "c/0/0")


def edit(path, **changes):
    file = path / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refusal(path):
    with pytest.raises(DataError) as caught:
        data.load(str(path))
    assert str(caught.value).isprintable()
    return str(caught.value)


@FORMATS
def test_an_absent_chunk_is_not_zero(zarr_format, tmp_path):
    path = save(tmp_path, zarr_format=zarr_format)
    first_chunk(path).unlink()
    message = refusal(path)
    assert "expected every chunk of array 'X', found 1 absent" in message
    assert "'write_empty_chunks': True" in message


@FORMATS
def test_zeros_that_were_written_are_zeros(zarr_format, tmp_path):
    values = np.where(np.arange(40)[:, None] < 8, 0, X)
    assert "absent" in refusal(save(tmp_path, values, zarr_format=zarr_format))
    shutil.rmtree(tmp_path / "r.zarr")
    path = save(tmp_path, values, zarr_format=zarr_format, config={"write_empty_chunks": True})
    np.testing.assert_array_equal(data.load(str(path)).X[:, :], values)


@pytest.mark.parametrize("index", ["start", "end"])
def test_an_absent_chunk_within_a_shard_is_not_zero(index, tmp_path):
    path = save(tmp_path)
    sharding = ShardingCodec(
        chunk_shape=(8, 4),
        codecs=[BytesCodec(), GzipCodec(), Crc32cCodec()],
        index_codecs=[BytesCodec(), Crc32cCodec()],
        index_location=index,
    )
    shutil.rmtree(path / "X")
    array = zarr.create(
        store=str(path / "X"), shape=X.shape, chunks=(16, 8), dtype="f4", zarr_format=3, codecs=[sharding]
    )
    array[:] = X
    np.testing.assert_array_equal(data.load(str(path)).X[:, :], X)  # though the shards at the edges are not full
    array[8:16, 8:11] = 0
    assert "expected every chunk of array 'X', found 1 absent" in refusal(path)


@pytest.mark.parametrize(("separator", "zarr_format"), [(".", 2), ("/", 2), (".", 3), ("/", 3)])
def test_chunks_are_found_under_any_kind_of_name(separator, zarr_format, tmp_path):
    name = "v2" if zarr_format == 2 else "default"
    path = save(tmp_path, zarr_format=zarr_format, chunk_key_encoding={"name": name, "separator": separator})
    np.testing.assert_array_equal(data.load(str(path)).X[:, :], X)


def streamed(content):
    """Return a frame of Zstandard that does not say how long it is."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        for start in range(0, len(content), 2**20):
            stream.write(content[start : start + 2**20])
    return sink.getvalue().to_pybytes()


HUGE = bytes(100_000_000)
BOMBS = {
    "zstd": (numcodecs.Zstd(), numcodecs.Zstd().encode),
    "zstd of unknown length": (numcodecs.Zstd(), streamed),
    "blosc": (numcodecs.Blosc(), numcodecs.Blosc().encode),
    "gzip": (numcodecs.GZip(), lambda content: gzip.compress(content, 1)),
    "zlib": (numcodecs.Zlib(), lambda content: zlib.compress(content, 1)),
    "bz2": (numcodecs.BZ2(), bz2.compress),
    "lzma": (numcodecs.LZMA(), lambda content: lzma.compress(content, preset=0)),
    "lz4": (numcodecs.LZ4(), numcodecs.LZ4().encode),
}


@pytest.mark.parametrize("codec", BOMBS)
def test_a_chunk_that_unpacks_to_far_more_is_refused_before_it_does(codec, tmp_path):
    compressor, pack = BOMBS[codec]
    path = save(tmp_path, zarr_format=2, compressors=compressor)
    np.testing.assert_array_equal(data.load(str(path)).X[:, :], X)
    first_chunk(path).write_bytes(pack(HUGE))
    tracemalloc.start()
    try:
        message = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "expected chunks that unpack to 128 bytes, found more in '0.0' of array 'X'" in message
    assert peak < 20e6


def test_a_chunk_that_is_mostly_a_hole_is_refused_unread(tmp_path):
    path = save(tmp_path, compressors=None)
    with first_chunk(path).open("wb") as file:
        file.truncate(10**12)
    assert "expected chunks that unpack to 128 bytes" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"junk", None], ids=["empty", "junk", "cut short"])
@pytest.mark.parametrize("codec", BOMBS)
def test_a_damaged_chunk_is_one_line(codec, content, tmp_path):
    path = save(tmp_path, zarr_format=2, compressors=BOMBS[codec][0])
    chunk = first_chunk(path)
    chunk.write_bytes(chunk.read_bytes()[:-3] if content is None else content)
    refusal(path)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": [10**12, 10**6]}, "expected one number of 'y' per row"),
        ({"shape": [40, 10**12]}, "expected rows of at most a tenth of memory, found rows of 3.73e+03 GiB"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10**6] * 2}}}, "expected chunks of at"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 4]}}}, "expected whole chunks"),
        ({"shape": [40, 10**7]}, "found 124"),
        ({"shape": [-40, 11]}, "expected whole chunks of array 'X', found shape (-40, 11)"),
        ({"codecs": [{"name": "bytes"}, {"name": "mystery"}]}, "a codec that only packs numbers, found 'mystery'"),
        ({"codecs": [{"name": "zstd"}, {"name": "gzip"}]}, "expected one compression, as the last codec"),
        ({"codecs": 5}, "expected a whole Zarr group, found TypeError"),
        ({"data_type": "mystery"}, "expected real numbers, found array 'X' of type 'mystery'"),
        ({"data_type": {"name": "struct"}}, "expected real numbers, found array 'X' of type"),
        ({"chunk_key_encoding": {"name": "mystery"}}, "expected a regular grid of chunks"),
    ],
)
def test_what_metadata_say_is_checked_before_memory_is_spent(changes, says, tmp_path):
    path = save(tmp_path)
    edit(path / "X", **changes)
    assert says in refusal(path)


def test_a_target_of_more_than_memory_is_refused_unread(tmp_path):
    path = save(tmp_path)
    edit(path / "X", shape=[10**10, 11])
    edit(path / "y", shape=[10**10])
    assert "expected a target of at most a tenth of memory" in refusal(path)


@pytest.mark.parametrize("content", ["", DEEP, "[" + " " * 2**25], ids=["empty", "deep", "huge"])
@pytest.mark.parametrize("where", ["", "X"])
def test_metadata_that_are_none_are_one_line(where, content, tmp_path):
    path = save(tmp_path)
    (path / where / "zarr.json").write_text(content)
    refusal(path)


def test_an_array_alone_and_a_group_in_place_of_an_array_are_named(tmp_path):
    path = save(tmp_path)
    assert "found a single array; name the folder around it" in refusal(path / "X")
    shutil.rmtree(path / "X")
    (path / "X").symlink_to(path)
    assert "found a group of that name among the group(s) 'X'; name the folder of the group" in refusal(path)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_groups_inside_a_group_are_named_where_an_array_is_missing(zarr_format, tmp_path):
    root = zarr.create_group(tmp_path / "all.zarr", zarr_format=zarr_format)
    for session in ("monday", "tuesday"):
        root.create_group(session).create_array("X", data=X)
    do = "name the folder of the group that holds the arrays, as the recording"
    said = refusal(tmp_path / "all.zarr")
    assert f"expected the array 'X', found nothing, and the group(s) 'monday', 'tuesday'; {do}" in said
    root.create_array("y", data=Y)
    assert "found 'y', and the group(s) 'monday', 'tuesday'" in refusal(tmp_path / "all.zarr")


def base_64(number):
    return base64.standard_b64encode(struct.pack("<d", number)).decode()


PACKED = np.round(X * 100).astype(np.int16)


@pytest.mark.parametrize(
    ("values", "attributes", "expected"),
    [
        (PACKED, {"scale_factor": 0.01, "add_offset": 5.0}, PACKED * 0.01 + 5),
        (PACKED, {"scale_factor": [0.01]}, PACKED * 0.01),
        (X, {"_FillValue": base_64(1e20), "missing_value": -9999.0, "units": "mm"}, X),
        (X, {"valid_range": [-100.0, 100.0]}, X),
        (X, {"_FillValue": base_64(np.nan)}, X),
        (PACKED, {"_FillValue": -9999, "_Unsigned": "false"}, PACKED),
    ],
)
def test_packed_values_are_the_numbers_that_they_stand_for(values, attributes, expected, tmp_path):
    recording = data.load(str(save(tmp_path, values, attributes=attributes)))
    np.testing.assert_allclose(recording.X[:, :], expected, rtol=1e-15)
    assert recording.X.dtype == (np.float32 if expected is X else np.float64)
    assert len(recording.notes) == ("scale_factor" in attributes)


@pytest.mark.parametrize(
    ("value", "attributes"),
    [
        (-9999, {"_FillValue": -9999, "scale_factor": 0.01}),
        (-9999, {"missing_value": [-8888, -9999]}),
        (32000, {"valid_max": 1000}),
        (-32000, {"valid_min": -1000}),
        (32000, {"valid_range": [-1000, 1000]}),
    ],
)
def test_a_value_that_stands_for_a_missing_one_is_missing(value, attributes, tmp_path):
    values = PACKED.copy()
    values[[3, 5], 2] = value
    message = refusal(save(tmp_path, values, attributes=attributes))
    assert "X has 2 value(s) that are missing, NaN or infinite, the first at row 3 (from 0), column 2" in message


def test_the_fill_value_of_an_array_of_xarray_stands_for_missing_values(tmp_path):
    values = np.where(X > 2, np.float32(-1), X)
    options = {"zarr_format": 2, "fill_value": -1.0, "config": {"write_empty_chunks": True}}
    np.testing.assert_array_equal(data.load(str(save(tmp_path, values, **options))).X[:, :], values)
    shutil.rmtree(tmp_path / "r.zarr")
    path = save(tmp_path, values, attributes={"_ARRAY_DIMENSIONS": ["t", "n"]}, **options)
    assert f"X has {(X > 2).sum()} value(s) that are missing" in refusal(path)


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"scale_factor": "many"}, "expected numbers in the attribute scale_factor, found 'many'"),
        ({"_FillValue": {"a": 1}}, "expected numbers in the attribute _FillValue"),
        ({"_Unsigned": "true"}, "expected numbers of their own type, found the attribute _Unsigned"),
    ],
)
def test_attributes_that_cannot_be_followed_are_refused(attributes, says, tmp_path):
    assert says in refusal(save(tmp_path, PACKED, attributes=attributes))


SPLIT = Split.holdout([(0, 20)], (20, 30), (30, 40))


@pytest.mark.parametrize("place", [(0, 0), (25, 3), (39, 10)], ids=["train", "validation", "test"])
@pytest.mark.parametrize("kind", ["zarr", "npy"])
def test_rows_that_changed_since_they_were_hashed_are_not_searched(kind, place, tmp_path, monkeypatch):
    monkeypatch.setattr("regsearch.data.blocks._BLOCK_BYTES", 200)
    if kind == "zarr":
        path = save(tmp_path)
        array = zarr.open_group(path, mode="a")["X"]
    else:
        path = tmp_path
        np.save(path / "X.npy", X)
        np.save(path / "y.npy", Y)
        array = np.load(path / "X.npy", mmap_mode="r+")
        array[...] = array + 0  # from here on the system may note no further change of the time
    recording = data.load(str(path))
    seal(recording, SPLIT)
    array[place] = array[place] + 1
    with pytest.raises(DataError, match=r"changed (since they were read through|while it was read)"):
        seal(recording, SPLIT)
