"""What is for sale: plans and their charges."""
