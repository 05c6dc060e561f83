"""The HTTP API, and the live stream of jobs. Parse, call the core or a read, render; nothing is decided here.

``routes`` puts the parts together: ``jobs``, ``kinds``, ``artifacts`` and ``tokens`` are the routes, one module a noun.
``security`` says who asks, ``bodies`` reads JSON within bounds, ``downloads`` sends files, ``problems`` makes every
error one shape (RFC 9457), HTTP's own ``refusals`` among them, and ``fallback`` does so for what Django answers before
a route is reached. ``description`` adds the kinds to the OpenAPI document.

``stream`` is a process of its own: it is reached by a ``tickets`` ticket and sends what ``watching`` finds new in its
``readings``.
"""
