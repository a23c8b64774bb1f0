"""The policy in force: its rules in words, and whom a request would go to by them."""
