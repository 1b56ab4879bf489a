"""Builds the exact JSON body of a request from settings and messages. Pure: no I/O and no state."""
