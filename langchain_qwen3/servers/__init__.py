"""What is known of each server: a row per server, and how to tell which one answers."""
