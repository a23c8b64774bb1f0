"""The mini-portal: the page of one invoice for the customer who has a link to it."""
