"""Inference: is it better than luck."""
