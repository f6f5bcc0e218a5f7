"""Who calls: organizations, billing entities, API keys, the operator API, the test clock."""
