"""Pages of a day: charts, tables and the summary."""
