"""A cell done on a hired machine: what is sent to it, what it does, and what comes back."""
