"""The engine and its process. No Qt; client and messages import the standard library only."""
