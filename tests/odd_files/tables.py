"""Odd tables of interactions: ids, times, quotes, encodings."""

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from tests.odd_files.odd_file import OddFile

HEAD = b"user,item\n"
TIMED = {"time_column": "t", "split": "leave_one_out"}


def _parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def _times(*times: str) -> bytes:
    rows = "".join(f"1,{item},{time}\n" for item, time in enumerate(times))
    return f"user,item,t\n{rows}".encode()


TEXT_IDS = [
    OddFile(
        "zeros.csv",
        HEAD + b"01,5\n1,5\n0108775010,1e2\n1e2,007\n",
        {("01", "5"), ("1", "5"), ("0108775010", "1e2"), ("1e2", "007")},
    ),
    OddFile(
        "large.csv",
        HEAD + b"".join(b"7656119801234567%d.0,1\n" % n for n in range(6)),
        {(f"7656119801234567{n}.0", 1) for n in range(6)},
    ),
    OddFile(
        "one_float.csv",
        HEAD + b"7.0,1\n9007199254740993,1\n9007199254740992,1\n",
        {("7.0", 1), ("9007199254740993", 1), ("9007199254740992", 1)},
    ),
    OddFile(
        "words.csv",
        HEAD + b"no,12:30\nyes,1_000\n",
        {("no", "12:30"), ("yes", "1_000")},
    ),
    OddFile("anonymous.csv", HEAD + b'1,2\n"",3\n', error="'user' of row 2 is empty"),
    OddFile("blank.csv", HEAD + b"1,2\n  ,3\n", error="'user' of row 2 is empty"),
    OddFile("missing.csv", HEAD + b"1,2\n,3\n", error="'user' of row 2 is missing"),
    OddFile(
        "blanks.csv",
        HEAD + b"u0,i1\nu0, i1\nu1, i2\n",
        error="'item' of row 2 is the id of other rows but for blanks around it",
    ),
    OddFile("spaced.csv", HEAD + b"u0, i1\nu1, i2\n", {("u0", " i1"), ("u1", " i2")}),
    *(
        OddFile(
            f"alike_{n}.csv",
            HEAD + f"José,1\nAnn,1\n{twin},2\n".encode(),
            error=r"the 'user' '.*' and '.*' look the same, but for blanks, invisible",
        )
        for n, twin in enumerate(
            ("Jose\u0301", "José\u200b", "\ufeffJosé", "Jo\u00adsé ", "José\u200d")
        )
    ),
    OddFile(
        "families.csv",
        HEAD + "👨\u200d👩,1\n👨👩,1\nJose,1\nJosé,1\n".encode(),
        {("👨\u200d👩", 1), ("👨👩", 1), ("Jose", 1), ("José", 1)},
    ),
    OddFile("twice.csv", b"user,item,user\n1,2,3\n", error="two columns named 'user'"),
    OddFile(
        "lines.csv",
        HEAD + b'1,"a\nb"\n2,c\n',
        error="'item' of row 1 is of several lines",
    ),
]
TYPED_IDS = [
    OddFile(
        "float64.parquet",
        _parquet(user=[7.0, 2.0**53], item=[1, 2]),
        error="'user' of row 2 is too large for a Float64",
    ),
    OddFile(
        "float32.parquet",
        _parquet(user=pl.Series([2.0**24, 1], dtype=pl.Float32), item=[1, 2]),
        error="'user' of row 1 is too large for a Float32",
    ),
    OddFile(
        "whole.parquet",
        _parquet(user=[7.0, 8.0], item=["1", "01"]),
        {(7, "1"), (8, "01")},
    ),
    OddFile(
        "lists.parquet", _parquet(user=[[1], [2]], item=[1, 2]), error="can.t be ids"
    ),
    OddFile(
        "bytes.parquet", _parquet(user=[b"1", b"2"], item=[1, 2]), error="can.t be ids"
    ),
    OddFile(
        "durations.parquet",
        _parquet(user=[timedelta(1), timedelta(2)], item=[1, 2]),
        error="can.t be ids",
    ),
    OddFile(
        "truth.parquet", _parquet(user=[True, False], item=[1, 2]), error="can.t be ids"
    ),
    OddFile(
        "decimal.parquet",
        _parquet(user=[Decimal("7.00"), Decimal(8)], item=[1, 2]),
        {(7, 1), (8, 2)},
    ),
    OddFile(
        "kinds.parquet",
        _parquet(user=pl.Series(["a", "b"], dtype=pl.Categorical), item=[1, 2]),
        {("a", 1), ("b", 2)},
    ),
]
FORMS = [
    OddFile(
        "quotes.tsv",
        b'user\titem\n6\t"Heroes\n7\tThe "best" of\n8\t"whole"\n',
        {(6, '"Heroes'), (7, 'The "best" of'), (8, '"whole"')},
    ),
    OddFile(
        "quoted.tsv",
        b'user\titem\n6\t"He""ro\tes"\n7\tb\n',
        {(6, 'He"ro\tes'), (7, "b")},
        options={"quoted": True},
    ),
    OddFile(
        "quotes.csv",
        b'user,item\n5,a\n6,"Heroes\n7,x\n',
        error="unbalanced quote in line 3",
    ),
    OddFile(
        "inch.csv", HEAD + b'5,a\n6,5" disc\n7,x\n', error="unbalanced quote in line 3"
    ),
    OddFile(
        "plain.csv",
        HEAD + b'6,5" disc\n7,"x\n',
        {(6, '5" disc'), (7, '"x')},
        options={"quoted": False},
    ),
    OddFile("bom.csv", b"\xef\xbb\xbf" + HEAD + b"1,2\n", {(1, 2)}),
    OddFile("wide.csv", "user,item\n1,2\n".encode("utf-16"), error="UTF-16 text; save"),
    OddFile("mac.csv", b"user,item\r1,2\r", error="carriage returns alone"),
    OddFile("packed.csv", b"\x1f\x8b\x08\x00" + HEAD, error="packed .gzip.; unpack"),
    OddFile("zip.csv", b"PK\x03\x04\x14" + HEAD, error="packed .zip.; unpack it"),
    OddFile("bz2.csv", b"BZh9\r1AY&SY\r", error="packed .bzip2.; unpack it"),
    OddFile("dos.csv", b"user,item\r\n1,2\r\n3,4\r\n", {(1, 2), (3, 4)}),
]
TIMES = [
    OddFile(
        "guessed.csv",
        _times("03/05/2021", "04/05/2021", "05/04/2021"),
        error="'t' of row 1 is not a time .*name their form in data.time_format",
        options=TIMED,
    ),
    OddFile(
        "dashes.csv",
        _times("03-05-2021", "04-05-2021"),
        error="row 1 is not a time",
        options=TIMED,
    ),
    OddFile(
        "named.csv",
        _times("03/05/2021", "04/05/2021", "05/04/2021"),
        [0, 1, 2],
        options=TIMED | {"time_format": "%m/%d/%Y"},
    ),
    OddFile(
        "named_otherwise.csv",
        _times("03/05/2021 10:00", "04/05/2021 09:00", "05/04/2021 11:00"),
        [2, 0, 1],
        options=TIMED | {"time_format": "%d/%m/%Y %H:%M"},
    ),
    OddFile(
        "digits.csv",
        _times("15032021", "16032021", "05042021"),
        error="row 1 is not a time .an exact number or ISO 8601",
        options=TIMED,
    ),
    OddFile(
        "named_digits.csv",
        _times("15032021", "16032021", "05042021"),
        [0, 1, 2],
        options=TIMED | {"time_format": "%d%m%Y"},
    ),
    OddFile(
        "merged.csv",
        _times("1614938400000000003", "1614938400000000001.5"),
        error="row 1 is not a time",
        options=TIMED,
    ),
    OddFile(
        "float32.parquet",
        _parquet(
            user=[1, 1], item=[0, 1], t=pl.Series([1.6e9, 1.7e9], dtype=pl.Float32)
        ),
        error="row 1 is not a time",
        options=TIMED,
    ),
    OddFile(
        "nanoseconds.csv",
        _times(
            "2021-03-05T10:00:00.000000003",
            "2021-03-05T10:00:00.000000001",
            "2021-03-05T10:00:00.000000002",
        ),
        [1, 2, 0],
        options=TIMED,
    ),
    OddFile(
        "epoch.csv",
        _times("1614938400000000003", "1614938400000000001", "1614938400000000002"),
        [1, 2, 0],
        options=TIMED,
    ),
    OddFile(
        "zones.csv",
        _times("2021-03-05T10:00+02:00", "2021-03-05T09:00Z", "2021-03-05T08:30:00Z"),
        [0, 2, 1],
        options=TIMED,
    ),
    OddFile(
        "some_zones.csv",
        _times("2021-03-05T10:00+02:00", "2021-03-05T09:00"),
        error="row 2 is without an offset from UTC",
        options=TIMED,
    ),
    OddFile(
        "far.csv",
        _times("9999-12-31", "2021-01-01", "1400-01-01"),
        [2, 1, 0],
        options=TIMED,
    ),
    OddFile(
        "impossible.csv",
        _times("2021-02-30", "2021-03-01"),
        error="row 1 is not a time",
        options=TIMED,
    ),
    OddFile(
        "categories.parquet",
        _parquet(
            user=[1, 1],
            item=[0, 1],
            t=pl.Series(["03/05/2021", "04/04/2021"], dtype=pl.Categorical),
        ),
        [1, 0],
        options=TIMED | {"time_format": "%d/%m/%Y"},
    ),
    OddFile(
        "durations.parquet",
        _parquet(user=[1, 1], item=[0, 1], t=[timedelta(1), timedelta(2)]),
        error="'t' holds Duration.*, which can't be times; store numbers, dates or ISO",
        options=TIMED,
    ),
    OddFile(
        "clock.csv",
        _times("1000000000", "5000000000", "3000000000000"),
        [0, 1, 2],
        options=TIMED,
    ),
    OddFile(
        "default.csv",
        _times("1970-01-15", "2021-01-01", "1970-01-16"),
        [0, 2, 1],
        options=TIMED,
    ),
]
RATINGS = [
    OddFile(
        f"{name}.csv",
        f"user,item,r\n1,2,{name}\n1,3,4\n1,4,good\n".encode(),
        error=f"'r' of row 1 is not a number .'{name}'",
        options={"rating_column": "r", "rating_threshold": 3},
    )
    for name in ("nan", "NaN", "inf")
]
TABLES = [*TEXT_IDS, *TYPED_IDS, *FORMS, *RATINGS]
