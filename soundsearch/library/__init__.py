"""The databases: library.db (a cache of what lies in the folders) and user.db.

Imports sqlite3 and the lock only.
"""
