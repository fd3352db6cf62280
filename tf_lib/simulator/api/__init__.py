"""Endpoints: requests in, answers out, in the exchange's own shapes."""
