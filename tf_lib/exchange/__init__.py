"""The exchange: what is asked of it, its time, and for how long a read is tried again."""
