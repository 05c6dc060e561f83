"""Triggers that keep audit entries as they were written.

A later migration that alters the table has to call ``add`` again: SQLite makes an altered table anew, without triggers.
"""

TABLE = "jobs_app_auditentry"
PRUNING = "jobs_app_audit_pruning"
WORDS = "expected audit entries to stay as they were written"

POSTGRESQL = [
    f"CREATE TABLE IF NOT EXISTS {PRUNING} (before timestamptz NOT NULL)",
    f"""
    CREATE OR REPLACE FUNCTION {TABLE}_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF EXISTS (SELECT 1 FROM {PRUNING} WHERE before > OLD.at) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION '{WORDS}, got %', TG_OP USING ERRCODE = 'restrict_violation';
    END $$
    """,
    f"DROP TRIGGER IF EXISTS audit_kept ON {TABLE}",
    f"DROP TRIGGER IF EXISTS audit_kept_whole ON {TABLE}",
    f"CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION {TABLE}_kept()",
    f"CREATE TRIGGER audit_kept_whole BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_kept()",
]
SQLITE = [
    f"CREATE TABLE IF NOT EXISTS {PRUNING} (before text NOT NULL)",
    "DROP TRIGGER IF EXISTS audit_kept_update",
    "DROP TRIGGER IF EXISTS audit_kept_delete",
    f"CREATE TRIGGER audit_kept_update BEFORE UPDATE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{WORDS}, got UPDATE'); END",
    f"""
    CREATE TRIGGER audit_kept_delete BEFORE DELETE ON {TABLE}
    WHEN NOT EXISTS (SELECT 1 FROM {PRUNING} WHERE before > OLD.at)
    BEGIN SELECT RAISE(ABORT, '{WORDS}, got DELETE'); END
    """,
]
GONE = {
    "postgresql": [
        f"DROP TRIGGER IF EXISTS audit_kept ON {TABLE}",
        f"DROP TRIGGER IF EXISTS audit_kept_whole ON {TABLE}",
        f"DROP FUNCTION IF EXISTS {TABLE}_kept()",
        f"DROP TABLE IF EXISTS {PRUNING}",
    ],
    "sqlite": [
        "DROP TRIGGER IF EXISTS audit_kept_update",
        "DROP TRIGGER IF EXISTS audit_kept_delete",
        f"DROP TABLE IF EXISTS {PRUNING}",
    ],
}


def add(apps, schema_editor):
    """Put the triggers there, anew if need be."""
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    """Take them away."""
    for statement in GONE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)
