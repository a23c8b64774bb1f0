"""What holds evidence from outside: roots that are made each day, and the check of the records by them."""
