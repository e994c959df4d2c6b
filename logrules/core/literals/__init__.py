"""Many words at once: where in a log a pattern may match, before any expression is tried."""
