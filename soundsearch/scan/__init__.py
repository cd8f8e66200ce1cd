"""Folders to candidates to vectors. The decoder children import audio only."""
