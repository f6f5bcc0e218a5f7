"""Commands of `laguna` for whoever operates it, on a database that is there already."""
