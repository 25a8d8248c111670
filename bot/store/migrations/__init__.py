"""The versions of the tables, as Alembic migrations; read by path, also from an installed wheel."""
