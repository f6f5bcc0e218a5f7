"""How events become units: billable metrics, what is derived of an event, and the store that aggregates."""
