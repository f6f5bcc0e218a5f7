"""POST /events: what clients send, checked alone and written together; and reading events back."""
