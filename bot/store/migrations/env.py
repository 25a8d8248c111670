"""What Alembic runs: the migrations over the connection that bot.store.schema hands in. Logging is left alone."""

from alembic import context

from bot.store.rows import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
