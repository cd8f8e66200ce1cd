"""The player process and its client. Imports audio and sounddevice; no torch, Qt or SQLite."""
