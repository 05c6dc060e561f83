"""How PostgreSQL stores and tidies the hot tables. docs/depth.md tells what was measured, and where it is written.

A later migration that wants other values changes them there, by a table of its own: these are what 0016 set.
"""

# A page is filled so far by inserts; the rest is for new versions of its rows, so that a heartbeat stays on its page.
ROOM = {"fillfactor": 85}

# The default waits for a fifth of the table: of ten million jobs, two million dead rows at the head of the indexes that
# dispatch reads. A fiftieth of them, and a bound for small tables that does not fire at each breath.
OFTEN = {
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_vacuum_threshold": 2000,
    "autovacuum_analyze_scale_factor": 0.02,
    "autovacuum_analyze_threshold": 2000,
    # The default would not keep up with what a few workers can leave behind.
    "autovacuum_vacuum_cost_limit": 2000,
}

# Rows that are only ever added: they are frozen as they come, and not all at once when the ids of transactions run out.
ADDED = {
    "autovacuum_vacuum_insert_scale_factor": 0.05,
    "autovacuum_vacuum_insert_threshold": 10000,
    "autovacuum_analyze_scale_factor": 0.02,
}

TABLES = {
    "jobs_app_job": {**ROOM, **OFTEN, **ADDED},
    "jobs_app_attempt": {**ROOM, **OFTEN, **ADDED},
    "jobs_app_event": ADDED,
    "jobs_app_logline": ADDED,
    "jobs_app_term": ADDED,
}


def tune(apps, schema_editor):
    """Set them. It takes a lock on each table for a moment; rows that are there stay as they are."""
    _each(schema_editor, lambda found: "SET (" + ", ".join(f"{name} = {value}" for name, value in found.items()) + ")")


def reset(apps, schema_editor):
    """Back to the server's own."""
    _each(schema_editor, lambda found: "RESET (" + ", ".join(found) + ")")


def _each(schema_editor, told):
    if schema_editor.connection.vendor == "postgresql":
        for table, found in TABLES.items():
            schema_editor.execute(f"ALTER TABLE {table} {told(found)}")
