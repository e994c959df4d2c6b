"""`guard()`: a bot that polls only while it holds the lock."""
