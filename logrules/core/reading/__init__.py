"""Bytes become records: lines, their heads, tracebacks and stacks."""
