"""Measurements of what Weir promises about broken things, with real processes and the times of production.

``python -m benchmarks.NAME`` runs one, ``make measure`` all. Each has its own broker, ledger and directory, prints a
table, and keeps its figures in ``benchmarks/results``. What they show, and what not: ``docs/measurements.md``.
"""
