"""How Django itself writes moments and days, as in the operators' admin."""
