"""The pages: choose a kind, fill in its form, watch jobs, read results. Server-rendered; htmx brings what changes.

``pages`` is what every page has in common (log in, errors as sentences), ``home`` the list, ``submitting`` kinds and
forms, ``job`` one job and what is done to it (``job_parts`` its parts), ``tokens`` API tokens, ``palette`` what the
keyboard leads to, ``flower`` Flower's pages behind our log in (``flower_links`` who may look). ``drawing`` and
``timeline`` turn results and events into what templates draw, ``filters`` is their template library, ``security`` the
Content-Security-Policy.
"""
