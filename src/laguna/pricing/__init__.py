"""Charge models: what usage costs (spec 1 §3.8, §3.9). Pure."""
