"""How a `.csv` is written: its encoding, the marks between columns and in numbers, and its header line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import BinaryIO

from regsearch.data.columns import MAX_COLUMNS, require_few
from regsearch.data.refusal import refusal, short

_HEADER_CHARACTERS = 2**24
_PIECE = 2**20
_SAMPLED_ROWS = 20
_SAMPLED_CHARACTERS = 2**17
_DELIMITERS = ",;\t|"
_MARKS = (".", ",")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins in the same way
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORDS = {"", "na", "n/a", "#n/a", "nan", "null", "true", "false"}


@dataclass(frozen=True)
class Dialect:
    """How a `.csv` is written.

    Attributes
    ----------
    encoding : str
        Name of Python's codec.
    delimiter : str
        Mark between columns.
    decimal : str or None
        Decimal mark of the numbers, ``"."`` or ``","``; ``None`` if the first rows show none.
    names : tuple of str
        One name per column; empty for a column without a name.
    lines : int
        Lines of the file up to the end of the header.
    names_rows : int
        How many of the first columns name or count the rows; they have no name here.
    notes : tuple of str
        What people should know about how the file is read.
    """

    encoding: str
    delimiter: str
    decimal: str | None
    names: tuple[str, ...]
    lines: int
    names_rows: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Sample:
    """The header and the first rows, split at one delimiter."""

    delimiter: str
    header: list[str]
    lines: int
    rows: list[list[str]]

    @property
    def width(self) -> int | None:
        """Number of cells of a row, or ``None`` if rows differ in it."""
        widths = {len(row) for row in self.rows}
        return widths.pop() if len(widths) == 1 else None

    @property
    def cells(self) -> list[str]:
        """All cells of the rows."""
        return [cell.strip() for row in self.rows for cell in row]

    def fitness(self) -> tuple[bool, bool, float]:
        """Rank delimiters by whether there are columns, whether rows fit the header, and how many cells are numbers."""
        numbers = sum(cell.lower() in _WORDS or _is_number(cell, *_MARKS) for cell in self.cells)
        fits = self.width is not None and abs(self.width - len(self.header)) <= 1
        return len(self.header) > 1, fits, numbers / max(1, len(self.cells))


def number_pattern(decimal: str) -> str:
    """Return the pattern of a number with this decimal mark and perhaps marks between thousands.

    It means the same to Python and to Arrow.
    """
    whole = rf"(?:[0-9]+|[0-9]{{1,3}}(?:[{group_marks(decimal)}][0-9]{{3}})+)"
    mark = re.escape(decimal)
    return rf"\s*[+-]?(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?\s*"


def group_marks(decimal: str) -> str:
    """Return the marks that may separate thousands: the other of point and comma, apostrophes and spaces."""
    return {".": ",", ",": "."}[decimal] + "'\u2019 \u00a0\u202f"


def dialect_of(file: BinaryIO, target: str, others: Sequence[str] = ()) -> Dialect:
    """Find out how a file is written; this reads all of it, for its encoding.

    Parameters
    ----------
    file : binary file
    target : str
        Name of the target's column.
    others : sequence of str
        Names or patterns of columns that have another role.

    Raises
    ------
    DataError
        If the file has no header line of names, or its encoding is not known.
    """
    encoding = _encoding(file)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        sample = _sample(text.read(_HEADER_CHARACTERS))
    except UnicodeDecodeError as error:
        found = f"the byte 0x{error.object[error.start]:02x}"
        raise refusal("text in UTF-8, UTF-16 or Windows-1252", found, "save it as UTF-8") from error
    finally:
        text.detach()
    names = _column_names(sample, target)
    names_rows = int(not names[0].strip() and any(row[0].strip() for row in sample.rows))
    saved_again = []
    while names_rows < len(names) and _is_saved_index(
        names[names_rows], [row[names_rows : names_rows + 1] for row in sample.rows]
    ):
        if any(fnmatchcase(names[names_rows], part) for part in (target, *others)):
            break
        saved_again.append(names[names_rows])
        names[names_rows] = ""
        names_rows += 1
    decimal = _decimal_mark(sample)
    notes = []
    if encoding == "cp1252":
        notes.append("it is not UTF-8 and was read as Windows-1252")
    if _are_numbers(sample.header) and not _count(sample.header):
        notes.append("its first line was read as the names of the columns, but holds only numbers")
    if names_rows > len(saved_again):
        notes.append("its first column has no name and was left out: row names of R, or an index of pandas")
    notes += [f"its column {name!r}, an index of pandas that counts the rows, was left out" for name in saved_again]
    return Dialect(encoding, sample.delimiter, decimal, tuple(names), sample.lines, names_rows, tuple(notes))


def _encoding(file: BinaryIO) -> str:
    head = file.read(_PIECE)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        zeros = head[::2].count(0), head[1::2].count(0)
        if min(zeros) * 10 > max(zeros) or max(zeros) * 8 < len(head):
            raise refusal("text", "bytes that are no text", "save the table as .csv, or name a file of another kind")
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while head:
            decoder.decode(head)
            head = file.read(_PIECE)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _sample(head: str) -> _Sample:
    """Return the header and the first rows, split at the delimiter that fits them best."""
    if not head.strip():
        raise refusal("a header line of column names", "an empty file", "write the names in the first line")
    announcement = re.match(r"sep=(.)\r?\n", head)  # Excel's own way to name the delimiter
    delimiters = announcement[1] if announcement else _DELIMITERS
    for start in dict.fromkeys((head[:_SAMPLED_CHARACTERS], head)):
        best = max((_split(start, mark, 1 if announcement else 0) for mark in delimiters), key=_Sample.fitness)
        if len(best.rows) == _SAMPLED_ROWS:
            break
    if not best.header:
        found = "one field that is too long for a name"
        raise refusal("a header line of column names", found, "write the names in the first line")
    return best


def _split(head: str, delimiter: str, announced: int) -> _Sample:
    """Split the header and the first rows after the announced lines."""
    stream = io.StringIO(head, newline="")
    for _ in range(announced):
        stream.readline()
    fields = head.count(delimiter, 0, head.find("\n") + 1 or None)
    if fields > 10 * MAX_COLUMNS:  # even if most of them stand inside of quotes
        require_few(fields)
    reader = csv.reader(stream, delimiter=delimiter)
    rows: list[list[str]] = []
    end = 0
    try:
        for row in filter(None, reader):
            rows.append(row)
            end = end or reader.line_num
            if len(rows) > _SAMPLED_ROWS:
                break
        else:
            if len(head) in (_HEADER_CHARACTERS, _SAMPLED_CHARACTERS) and len(rows) > 1:
                rows.pop()  # it may be cut short
    except csv.Error:  # a field is too long: this is not the delimiter
        pass
    return _Sample(delimiter, rows[0] if rows else [], announced + end, rows[1:])


def _column_names(sample: _Sample, target: str) -> list[str]:
    """Return one name per column, empty for a column without one."""
    names, width = list(sample.header), sample.width
    require_few(len(names))
    if target not in names and _are_numbers(names):
        found = f"numbers alone, the first {short(names[0])}" if any(names) else "no name at all"
        do = "write a name for each column in the first line; if it holds names, say by --target which to predict"
        raise refusal("a header line of column names", found, do)
    if names and names[0].startswith("#") and (len(names) == 1 or len(names) != width):
        found = f"a comment, {short(names[0])}"
        raise refusal("a header line of column names", found, "delete the lines that begin with #")
    if width == len(names) - 1 and not names[-1].strip():
        names.pop()  # the header ends with a comma, and the rows do not
    elif width == len(names) + 1 and all(not row[-1].strip() for row in sample.rows):
        names.append("")  # the rows end with a comma, and the header does not
    elif width == len(names) + 1 and _name_rows([row[0] for row in sample.rows]):
        names.insert(0, "")  # R's write.table names the rows, but not their column
    return names


def _name_rows(cells: Sequence[str]) -> bool:
    """Return whether these first cells are names or count the rows."""
    return (len(cells) > 1 and _count(cells)) or not any(_is_number(cell, *_MARKS) for cell in cells)


def _is_saved_index(name: str, cells: Sequence[Sequence[str]]) -> bool:
    """Return whether a column is an index that pandas read as a column, named so, and saved again."""
    counted = [[str(place)] for place in range(len(cells))]
    return bool(re.fullmatch(r"Unnamed: 0(\.[0-9]+)*", name)) and len(cells) > 1 and list(cells) == counted


def _count(cells: Sequence[str]) -> bool:
    """Return whether these cells count from 0 or 1."""
    return any(list(cells) == [str(start + place) for place in range(len(cells))] for start in (0, 1))


def _are_numbers(cells: Sequence[str]) -> bool:
    """Return whether none of these cells is a word."""
    return all(not cell.strip() or _is_number(cell, *_MARKS) for cell in cells)


def _decimal_mark(sample: _Sample) -> str | None:
    """Return the decimal mark that the first rows show, or ``None`` if they show none."""
    shown = {_shown_mark(cell) for cell in sample.cells if _is_number(cell, *_MARKS)}
    clear = shown & set(_MARKS)
    if clear:
        return "." if "." in clear else ","
    return "," if "?," in shown and sample.delimiter == ";" else None


def _shown_mark(number: str) -> str:
    """Return the decimal mark of a number, ``"?."`` or ``"?,"`` if it may separate thousands, or ``""``."""
    marks = re.sub(r"[^.,]", "", number)
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:
        return {".": ",", ",": "."}[marks[0]]
    return f"?{marks}" if re.fullmatch(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}", number) else marks


def _is_number(cell: str, *marks: str) -> bool:
    return any(re.fullmatch(number_pattern(mark), cell) for mark in marks)
