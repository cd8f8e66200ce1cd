"""Vectors on disk and their neighbours. Imports numpy and hnswlib."""
