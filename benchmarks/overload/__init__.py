"""More jobs than can be done: what a full queue does, against one without bound. ``make overload``.

``__main__`` runs the parts, each as a process with a platform of its own, then judges and draws. ``load`` is the flood
against one queue; it has ``clients`` (locust) offer the jobs and ``watch`` look at the ledger. ``herd`` has a ``crowd``
of our own clients refused all at once. ``estimates`` compares what was promised with what happened. ``checks`` says
what must hold, ``picture`` draws.
"""
