"""Model: the values everything else is made of: products, orders, accounts, impediments."""
