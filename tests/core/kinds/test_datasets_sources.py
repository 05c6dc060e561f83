"""What is no dataset, or a damaged one: a sentence for people each time, and nothing kept."""

from __future__ import annotations

import gzip
import io
import json
import re
import tempfile
import zipfile
from pathlib import Path

import duckdb
import pytest
from PIL import Image

from jobs_app.authoring import DetachedContext, Discard
from tasks.kinds.datasets.aggregate import aggregate
from tasks.kinds.datasets.profile import profile
from tests.core.kinds.conftest import Put


def picture() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (20, 20)).save(target, "PNG")
    return target.getvalue()


def archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.csv", b"0" * 10_000_000)
    return target.getvalue()


def parquet() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.parquet")
        duckdb.sql("SELECT i AS n, hash(i)::VARCHAR AS g FROM range(50_000) AS r(i)").write_parquet(str(path))
        return path.read_bytes()


PARQUET = parquet()
BAD = {
    "empty file": (b"", "is empty"),
    "only blanks": (b"\xef\xbb\xbf \r\n\n", "is empty"),
    "PNG": (picture(), "got a PNG picture named .csv"),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(99), "got a JPEG picture"),
    "zip bomb": (archive(), "got a ZIP archive or an Excel workbook"),
    "gzip": (gzip.compress(b"g,n\na,1\n"), "got a gzip archive"),
    "PDF": (b"%PDF-1.7\n", "got a PDF document"),
    "web page": (b"<!DOCTYPE html><p>Not found", "got a web page"),
    "binary": (bytes(range(256)) * 40, "got binary data of an unknown kind"),
    "NUL byte": (b"g,n\na,1\n\x00,2\n", "got a NUL byte at byte 9"),
    "NUL byte far in": (b"g,n\n" + b"a,1\n" * 600_000 + b"b\x00,2\n", "got a NUL byte at byte 2,400,006"),
    "no header": (b"1,2\n3,4\n", "expected the names of the columns in the first line, got only values (1, 2)"),
    "empty first line": (b"\ng,n\na,1\n", "got an empty line"),
    "name twice": (b"g,n,g\na,1,b\n", "got 'g' more than once"),
    "short line": (b"g,n\na,1\nb\n", "expected 2 values in every line, as in the header, got 1 in line 3"),
    "long line": (b"g,n\na,1\nb,2,3\n", "got 3 in line 3"),
    "short line far in": (b"g,n\n" + b"a,1\n" * 600_000 + b"b\n", "got 1 in line 600002"),
    "lone quote": (b'g,n\n"a,1\nb,2\n', "got a lone one in line 2"),
    "quote within": (b'g,n\n"a"a,1\nb,2\n', "got a lone one in line 2"),
    "mixed line ends": (b"g,n\r\na,1\nb,2\r\n", "expected lines that all end alike"),
    "endless value": (b"g,n\na," + b"1" * 3_000_000 + b"\n", "expected lines of at most 1,024 KB"),
    "endless header": (b"g" * 3_000_000, "got a first line that never ends"),
    "too many columns": (",".join(f"c{i}" for i in range(2001)).encode(), "expected at most 2,000 columns, got 2,001"),
    "JSON array": (b'[{"g": "a", "n": 1}]', "got one JSON array"),
    "JSON over lines": (json.dumps({"g": "a", "n": 1}, indent=2).encode(), "got something else in line 1"),
    "JSON cut off": (b'{"g": "a", "n": 1}\n{"g": "a", ', "got something else in line 2"),
    "JSON of lists": (b'{"g": "a", "n": 1}\n[1]\n', "got list in line 2"),
    "JSON nested deep": (b'{"g": "a", "n": ' + b"[" * 200_000 + b"\n", "got something else in line 1"),
    "JSON bad far in": (b'{"g": "a", "n": 1}\n' * 100_000 + b'{"g": \n', "got something else near line 10000"),
    "JSON list far in": (b'{"g": "a", "n": 1}\n' * 100_000 + b"[1]\n", "expected one JSON object a line"),
    "JSON endless line": (b'{"g": "' + b"a" * 3_000_000 + b'"}\n', "expected lines of at most 1,024 KB"),
    "truncated Parquet": (PARQUET[:-1000], "got one that breaks off before its end"),
    "tiny Parquet": (b"PAR1PAR1", "got one that breaks off before its end"),
    "Parquet of nothing": (b"PAR1\x00\x00\x00\x00PAR1", "could not be read; it may be damaged"),
    "Parquet without its middle": (PARQUET[:5000] + PARQUET[9000:], "could not be read; it may be damaged"),
    "Parquet with a broken footer": (PARQUET[:-90] + b"\xff" * 60 + PARQUET[-30:], "it may be damaged"),
    "encrypted Parquet": (b"PARE" + bytes(40) + b"PARE", "got an encrypted Parquet file"),
}


KINDS = {
    "aggregate": lambda dataset, context: aggregate(dataset, ["g"], "n", statistics=["count"], context=context),
    "profile": lambda dataset, context: profile(dataset, context=context),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_is_discarded_in_words(put: Put, detached: DetachedContext, fault: str, kind: str) -> None:
    content, said = BAD[fault]
    dataset = put(content, "../étude\n.csv")
    with pytest.raises(Discard) as raised:
        KINDS[kind](dataset, detached)
    message = str(raised.value)
    assert said in message
    assert message.startswith("../étude?.csv")
    assert "Error" not in message
    assert str(dataset.path) not in message
    assert "\n" not in message
    assert len(message) < 600
    assert not detached.artifacts


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_missing_column_is_answered_with_those_there_are(put: Put, detached: DetachedContext, form: str) -> None:
    content = {"csv": b"name\nx\ny\n", "json": b'{"name": "x"}\n', "parquet": PARQUET}[form]
    there = "n, g" if form == "parquet" else "name"
    with pytest.raises(Discard, match=re.escape(f"expected one of its columns ({there}), got 'month'")):
        aggregate(put(content, "one.csv"), ["month"], "name", statistics=["count"], context=detached)


def test_a_headless_file_is_suspected_when_a_column_is_missing(put: Put, detached: DetachedContext) -> None:
    with pytest.raises(Discard, match="the file may lack a header line"):
        aggregate(put("UA,1,11\nAA,2,5\n"), ["carrier"], "delay", statistics=["count"], context=detached)


@pytest.mark.parametrize(
    "content",
    [
        b"g,n\na,1\nb,2\n",
        b"\xef\xbb\xbfg,n\na,1\nb,2\n",
        b"g,n\r\na,1\r\nb,2\r\n",
        b"g,n\ra,1\rb,2\r",
        b"g,n\na,1\nb,2",
        b"g,n\n\na,1\n\nb,2\n\n",
        b'"g","n"\r\n"a","1"\r\n"b","2"\r\n',
        b" g , n\na, 1\nb, 2\n",
        b"g\tn\na\t1\nb\t2\n",
        b"g|n\na|1\nb|2\n",
        "g,n\na,1\nb,2\n".encode("utf-16"),
        b'\xef\xbb\xbf{"g":"a","n":1}\r\n{"g":"b","n":2}\r\n',
        b'\n{"g":"a","n":1}\n\n{"g":"b","n":"2"}',
    ],
)
def test_harmless_oddities_are_read(put: Put, detached: DetachedContext, content: bytes) -> None:
    summary = aggregate(put(content), ["g"], "n", statistics=["count", "sum"], context=detached)
    assert summary.table.rows == [["a", 1, 1], ["b", 1, 2]]


def test_latin_1_is_read_and_said_so(put: Put, detached: DetachedContext) -> None:
    content = b"g,n\n" + b"a,1\n" * 300_000 + "Zürich €,2\n".encode("cp1252")
    summary = aggregate(put(content), ["g"], "n", statistics=["count"], context=detached)
    assert summary.table.rows == [["Zürich €", 1], ["a", 300_000]]
    assert detached.lines == ["data.csv is not written in UTF-8; it was read as Windows-1252 (Latin-1)"]
    assert detached.fractions == sorted(detached.fractions)


def test_a_character_cut_by_a_chunk_is_still_utf_8(put: Put, detached: DetachedContext) -> None:
    content = "g,n\n" + "ü,1\n" * 400_000 + "€,1\n"
    for shift in range(3):
        dataset = put("x" * shift + content)
        group = "x" * shift + "g"
        summary = aggregate(dataset, [group], "n", statistics=["count"], context=detached)
        assert summary.table.rows == [["ü", 400_000], ["€", 1]]
    assert not detached.lines


def test_a_utf_8_file_cut_within_a_character_is_read_as_latin_1(put: Put, detached: DetachedContext) -> None:
    summary = aggregate(put("g,n\nü,1\nü".encode()[:-1] + b",2\n"), ["g"], "n", statistics=["count"], context=detached)
    assert summary.facts.rows == 2
    assert len(detached.lines) == 1


def test_unnamed_columns_get_names(put: Put, detached: DetachedContext) -> None:
    rows = profile(put(",n,\n0,a,b\n1,a,b\n"), context=detached).table.rows
    assert [row[0] for row in rows] == ["column 1", "n", "column 3"]


def test_values_over_several_lines_do_not_lose_rows_between_threads(put: Put, detached: DetachedContext) -> None:
    line = '{0},"first {1}\nsecond, ""quoted""\n\n{1}",{2}\n'
    content = "id,note,n\n" + "".join(line.format(i, "x, " * (i % 70), i % 9) for i in range(120_000))
    summary = aggregate(put(content), ["n"], "id", statistics=["count", "sum"], context=detached)
    assert summary.facts.rows == 120_000
    assert sum(row[2] for row in summary.table.rows) == sum(range(120_000))
