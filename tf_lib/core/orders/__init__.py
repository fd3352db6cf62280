"""Orders: lots and ticks, orders and stops as they are placed, fees and fills."""
