"""Search: what a sweep file asks for, and sets proposed by what came of earlier ones."""
