"""Subscriptions: what they are, their calendar, and what each period costs."""
