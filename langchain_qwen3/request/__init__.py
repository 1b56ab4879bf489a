"""Settings and messages become the exact JSON body of a request. Pure: nothing here waits, reads or remembers."""
