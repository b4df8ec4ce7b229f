"""Django's PostgreSQL backend, which also tells the database in whose name each transaction is (`orgs/tenancy.py`)."""
