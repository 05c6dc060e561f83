"""Growing datasets: rows and files are appended, and each run of `datasets.rollup` folds in only what is new.

A package of kinds with tables, routes and pages of its own. ``rows`` tells what a row is, ``contents`` how appended
ones are kept and read again; ``datasets`` is what people do. ``sums`` adds rows up to buckets of hours and days in
memory, ``folding`` brings them into the table, up to a watermark; ``rollup`` are the kinds. ``reading`` and ``charts``
are what ``api`` and ``pages`` show.
"""
