"""Weir beside the alternatives: the same jobs, machine and run, one peer after the other, round after round.

A peer is an entry of ``catalog``, pinned requirements in ``requirements/`` (installed into a virtual environment of its
own below ``var/peers``), and one small module in ``apps/`` that runs there: handlers, how to load and submit, and how
many jobs are left. Weir is a peer as well, and so is the floor: bare statements on the same PostgreSQL.
"""
