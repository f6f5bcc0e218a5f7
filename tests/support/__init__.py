"""What tests share: one PostgreSQL and one server per run and worker, and a client that speaks to it."""
