"""Weir on one machine: what ``make up`` and ``make demo`` run.

The Procfile names the processes; this package runs exactly those, plus a Valkey server of its own where no BROKER_URL
is given, under supervisord. It knows the product only from outside: by ``manage.py``, by HTTP and by signals.

    procfile      reads the Procfile
    environment   makes the environment those processes get: given variables win, the rest is generated
    ports         picks free loopback ports and keeps them reserved
    locking       one platform per data directory; what a killed one left behind is cleared away
    valkey        finds and configures the embedded broker, and starts it behind a lock on its data
    supervision   writes supervisord's configuration
    processes     starts supervisord, watches its processes and stops them in order
    readiness     waits, with a limit, until every process answers
    signals       turns Ctrl-C and SIGTERM into an ordered stop
    preparation   migrations, static files, first content, the administrator
    running       all of the above, as one context manager
    up            keeps the platform running
    demo          submits real jobs over the HTTP API, follows them and checks what they made

Order of the stop, and why: web, stream, beat and Flower first, so that nothing new arrives; then the workers, which
finish what they run; then the broker, whose append-only file keeps the queued messages for the next start.

What ends with what: supervisord gets SIGTERM from the kernel when this command dies, even by ``kill -9``, and its
processes get the same when supervisord dies. That needs ``setpriv`` of util-linux; elsewhere the next start clears up.
"""
