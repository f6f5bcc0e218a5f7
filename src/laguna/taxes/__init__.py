"""Taxes, what they are attached to, and how they are computed."""
