"""What PostgreSQL needs beside SQLAlchemy: its hosts, TLS, and when its transactions begin."""
