"""Turns bytes into events, events into deltas, deltas into messages. Sans-IO: nothing here waits."""
