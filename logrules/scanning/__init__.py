"""`logrules scan`: logs from anywhere, by all processors, in order."""
