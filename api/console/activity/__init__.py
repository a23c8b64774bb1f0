"""What runs by itself, or on somebody's word: reminders, comparisons with Stripe, troubles of customers."""
