"""Pages: the charts, tables and reports a person reads; they take values and touch no exchange."""
