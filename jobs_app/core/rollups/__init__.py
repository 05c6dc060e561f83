"""Rollups: what happened to jobs in each minute, hour and day, counted once and kept when the jobs are gone.

The ledger's record of events is the only source, so a job's way through the system pays nothing for being counted: no
column, no index and no write is there for the rollups' sake. Who does what:

1. ``sources`` reads events and refusals with what is needed of their jobs; ``sums`` adds them up, purely.
2. ``rolling`` is the aggregator. It goes on from the id that the ``cursor`` names, and counts a bounded batch in one
   transaction; ``gaps`` are ids below it whose rows may still appear, since transactions do not end in the order of
   their ids. Sums go to minutes, hours and days at once, so these always agree.
3. ``store`` reads and writes the rows. The cursor's version guards them all: whoever writes raises it first.
4. ``failing`` adds failures to the groups of those that are alike, in the same transaction.
5. ``ending`` notes the ends of jobs for the endpoints of webhooks that are to be told, in the same transaction.
6. ``levels`` notes how deep the queues are; that cannot be counted again later, and is not proved.
7. ``proof`` compares rollups with the ledger, and mends a period. What ``retention`` prunes is added up once more, to
   rows that are marked ``gone``; so for any period: rollups = the ledger's rows that are left + rows marked gone.
"""
