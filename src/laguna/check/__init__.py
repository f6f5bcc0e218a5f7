"""`laguna check`: verifies what must be true of the stored data, whatever happened to the processes that wrote it.

Each invariant is one statement that selects what breaks it; the files hold them by subject, `run` verifies them all in
one snapshot of the database, beside a server that goes on working.
"""
