"""Remembers: incidents, the outbox and a short history. The decisions are core.incidents'."""
