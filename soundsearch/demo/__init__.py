"""Synthesised demo sounds. Imports numpy (and soundfile to write them)."""
