"""Reads the world: bytes become chunks. Decides nothing."""
