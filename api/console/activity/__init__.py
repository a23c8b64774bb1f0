"""What runs by itself, or on somebody's word: reminders, reconciliations, troubles of customers."""
