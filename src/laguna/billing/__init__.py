"""Every use case that makes documents. It calls downwards, in plain and visible order."""
