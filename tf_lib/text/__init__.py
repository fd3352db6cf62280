"""Text: days, numbers and values as people write and read them."""
