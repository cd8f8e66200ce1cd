"""The query language, names, ranking. Imports library, index and word splitting; never models."""
