"""Incidents, the outbox of their alerts, and the history of lock and polling: one SQLite file.

What a match does to its incident and the alert that follows from it are one transaction, on disk before
anybody tries to send. Several processes may share the file; each alert is claimed by one sender at a time,
for as long as a lease lasts. What a killed process had claimed is free again when that is over.

The bot comes first: a file that cannot be used (full disk, read-only, corrupt, held by somebody, not ours) is
reported once, and the process goes on in memory; it looks every minute whether the file can be used again.
A row that cannot be read is left out, and said, for all the others' sake.
Nothing in here raises for what a disk does.
"""
