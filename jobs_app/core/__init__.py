"""The domain of Weir. Who does what, in the order in which a job meets them:

1. ``submission`` is the only way in. It validates parameters against the kind, passes ``admission``, and inserts the
   row in the caller's transaction; ``uniqueness`` lets only one of its like in. After the commit it nudges this
   process's background publisher. ``admission`` asks ``rates`` (how fast a token is) and ``turnstile``, which holds
   this process's credits of each queue's ``gate``, beside its ``shares``; those refused stand in a ``line``, and
   ``refusals`` counts them. ``batches`` submit many jobs at once. What was accepted and waits for room (children, jobs
   that come due) is let in by a ``side_door``.
2. ``dispatch`` keeps at most a window of each queue's messages on the broker: it picks due jobs in order, marks them,
   and publishes their ids, short ones in ``chunks``. It runs after a submission, after a settlement, and from upkeep.
   It also notices lost messages.
3. ``execution`` is what a worker does with a message: ``claims`` takes the jobs still claimable in one statement; for
   each of them ``attempts`` calls the handler with an ``attempt_context``, which keeps ``checkpoints`` for the next
   attempt; ``encoding`` makes JSON of its result; what succeeded is settled with others from the ``tray``; all else
   ``settlement`` writes, as long as it takes the ledger to be there: ``outcomes`` by one guarded write, deciding by
   ``policies`` whether to try again; ``failures`` tells why.
4. ``liveness`` is a thread beside the handler: it extends the leases of what is ``held``, learns of cancels, writes
   progress and log lines; ``force`` ends what listens to nothing. ``stopping`` tells it that the worker is to end,
   ``stamps`` tell the worker's parent that it still gets a turn, ``patience`` cuts off a database that does not answer.
   ``inline`` runs a quick job in the web process, when the caller waits.
5. ``rescue`` finds jobs whose worker is gone; ``control`` is what people do to jobs, ``bulk``
   to many at once; ``schedules`` decides what is due.
   ``failure_control`` is what people say of failures that are alike, which the rollups count.
   ``lanes`` say what holds for a queue, ``lane_control`` is what people change of it, ``presence`` tells who takes
   its jobs. ``flow`` notes what moves through it; ``pulses``, ``ranges`` and ``estimates`` make of that how long things
   will take.
6. ``spawning`` makes the children of a running job; ``families`` lets them in as there is room, has their parent wait,
   go on or end, and ends them with it. ``previews`` are what a kind shows, and writes, while its job is submitted;
   ``desk`` is what else packages of kinds ask for.
7. ``artifacts`` keeps files, ``terms`` what a job is found by, ``saved_views`` searches that people keep. ``tokens``
   opens the API, ``webhooks`` tell other systems that jobs have ended, ``ends`` has them do so soon, ``deploys`` notes
   what was put into service.
   ``sealing`` encrypts secrets, ``secrecy`` stars them out; ``roles`` keeps the groups, ``access`` says who may submit
   what and see its parameters, ``audit`` who did what. ``traces`` are what OpenTelemetry is told of a job's way,
   ``vitals`` what probes are told of a process.
8. Under all of them ``transitions`` is the only writer of state: every move is guarded by (id, state, attempt), acts on
   the row count, and leaves an ``events`` row. ``transport`` alone knows Celery; ``queries``, ``copying``, ``sql`` how
   databases differ; ``clock`` what time it is. Everything else takes ``now`` as an argument.

Modules are nouns and functions verbs; nothing is re-exported here, so that a function never hides a module.
"""
