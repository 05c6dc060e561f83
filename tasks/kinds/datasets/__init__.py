"""Datasets: CSV, TSV, JSON lines and Parquet files, summarised and described with DuckDB.

`signatures` tells what a file is by its content, `text` makes a text file clean UTF-8 and finds its columns,
`engine` is DuckDB shut in (memory, threads, disk, no other file, no network), `sources` puts the three together:
a dataset with named columns. `aggregate` and `profile` are the kinds.
"""
