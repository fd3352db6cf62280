"""What the days left: listed, shown, compared, replayed, packed and kept."""
