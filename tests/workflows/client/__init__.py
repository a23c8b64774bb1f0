"""How processes reach Temporal, and what it keeps of what they say."""
