"""Schedules: ticks are decided in the ledger.

A schedule's row says until when its ticks are decided. Whoever decides the next ones moves that on in the transaction
that writes the ticks and submits their jobs. So any number of beats may look; one that dies has decided a tick or not.

1. ``work`` is what a schedule submits: kind and parameters, read from the periodic task and checked.
2. ``timings`` makes a timing of a periodic task's columns, and finds what is due in a span of time.
3. ``verdicts`` are pure: what becomes of ticks that are due, by the policies for missed and for overlapping ones.
4. ``standing`` writes where a schedule stands: until when it is decided, when it is due next, why it is broken.
5. ``ticks`` decides what is due, one schedule and one short transaction at a time (``run_due``); ``run_now`` is a tick
   that somebody asks for.
6. ``changes`` follows what people do: ``reconcile`` notices schedules that were made or edited, however that was
   written; ``pause``, ``resume`` and ``settle`` are what surfaces call; ``upcoming`` tells the next times.

Locks are taken in one order: the periodic task, then the schedule. So an admin who saves a form stands in no beat's way
for longer than the form's transaction.
"""
