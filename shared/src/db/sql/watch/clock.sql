-- The time by the database's clock, for what is read after it. No parameters.
SELECT clock_timestamp()
