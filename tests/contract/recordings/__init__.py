"""What real Stripe answered in conversations that others recorded (MIT, pay-rails/pay), as facts of our own.

A file is a conversation: the `version` asked for, the second at which it `began`, what there was `before`
it, and its steps. A step is a request (`do`, `with`), the seconds `at` which it was answered, the `status`,
the ids to `keep` under a name, and what `is` in the answer, by path: `lines.data.0.amount`, `#` for a list's
length. Names in braces are ids; times are seconds since the beginning, as "+3600". What an earlier step said
of the same object isn't repeated.
"""
