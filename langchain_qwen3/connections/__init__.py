"""A call goes to the server and its bytes come back: the only part that waits."""
