"""Pages about what customers owe and paid: invoices, customers, and money back."""
