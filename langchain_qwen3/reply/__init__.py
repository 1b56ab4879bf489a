"""Bytes become events, events deltas, deltas messages. Sans-IO: nothing here waits."""
