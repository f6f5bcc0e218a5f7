"""`laguna demo`: bills the flights that left New York City in 2013, and checks every invoice against the raw file."""
