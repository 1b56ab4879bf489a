"""Facts about each server: one row per server, and how to detect which server answers."""
