-- Extend the leases of what this process holds, and learn which were cancelled; a row that does not come back is lost.
-- The column itself is returned: SQLite 3.40 says 1 for `… IS NOT NULL` of a NULL in RETURNING.
UPDATE jobs_app_job
SET lease_until = %(lease_until)s
WHERE state = 'running' AND (id, attempt) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(%(held)s)
)
RETURNING id, cancel_requested_at
