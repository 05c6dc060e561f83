-- A queue's row, if it is not there yet: by its name alone, so that it works on the tables of the release before as well.
INSERT INTO jobs_app_queue (name) VALUES (%(name)s) ON CONFLICT DO NOTHING
