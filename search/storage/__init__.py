"""Where a study lies: a journal file, a database, and the lock by which it has one driver."""
