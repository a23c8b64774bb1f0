"""Administration: who may do what, by which keys and sessions, and the policy by which requests go."""
