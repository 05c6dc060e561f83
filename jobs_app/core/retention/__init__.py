"""Retention: what was kept long enough is deleted, a little at a time, once it is rolled up.

``rules`` say what is due and what is spared; ``pruning`` deletes it in short transactions, children before parents,
rows before files, and by ``batches`` what hangs on nothing; ``groups`` forgets failures that nobody has seen for long,
``deliveries`` the log of webhooks; ``orphans`` are files without rows and rows without files; ``reports`` tell what
would be done.
"""
