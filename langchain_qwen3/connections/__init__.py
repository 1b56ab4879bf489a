"""Sends a call to the server and returns the reply's bytes: the only part that waits."""
