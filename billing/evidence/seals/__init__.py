"""The signed root of each day: what it stands for, and what it shows of evidence that is kept elsewhere."""
