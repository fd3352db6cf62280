"""What commands about past days write and show of their results."""
