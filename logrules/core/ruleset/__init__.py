"""Packs become one rulebook: codes, patterns, and every fault that they may have."""
