"""The batch log, the chunks of points and of verdicts, the marks of their readers, and the epoch of each datastore's series.

Packed columns are compressed by the application, so the server stores them as they are (EXTERNAL). Partitions are made by
`metrics/points/partitions.py`, since they depend on the clock.
"""

from django.db import migrations, models

LOG = """
CREATE SEQUENCE {log}_seq;
CREATE TABLE {log} (
    id bigint NOT NULL DEFAULT nextval('{log}_seq'),
    org_id bigint NOT NULL,
    xid bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    received_at timestamptz NOT NULL,
    rule smallint NOT NULL,
    backfill boolean NOT NULL,
    n integer NOT NULL,
    series bytea NOT NULL,
    timestamps bytea NOT NULL,
    data bytea NOT NULL
) PARTITION BY RANGE (received_at);
-- Detection: everything from its mark on, in log order.
CREATE INDEX {log}_by_xid ON {log} (xid, id);
-- The fold of one org, and reads of its unfolded tail.
CREATE INDEX {log}_by_org ON {log} (org_id, xid, id);
"""

# As a column's property in CREATE TABLE it needs PostgreSQL 16.
EXTERNAL = "ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL;"


CHUNKS = """
CREATE TABLE {name}_hour (
    org_id bigint NOT NULL,
    block bigint NOT NULL,
    t0 bigint NOT NULL,
    keep smallint NOT NULL,
    n integer NOT NULL,
    members bytea NOT NULL,
    timestamps bytea NOT NULL,
    data bytea NOT NULL,
    -- Reads of a range of one block, and the fold's look for the row to merge into.
    PRIMARY KEY (org_id, block, t0, keep)
) PARTITION BY LIST (keep);
CREATE TABLE {name}_day (
    org_id bigint NOT NULL,
    series_id bigint NOT NULL,
    t0 bigint NOT NULL,
    keep smallint NOT NULL,
    n integer NOT NULL,
    first_ms bigint NOT NULL,
    step_ms integer NOT NULL,
    count integer NOT NULL,
    least double precision,
    most double precision,
    total double precision,
    timestamps bytea,
    data bytea NOT NULL,
    -- Reads of a range of one series, and the fold's look for the row to merge into.
    PRIMARY KEY (org_id, series_id, t0, keep)
) PARTITION BY LIST (keep);
"""

KEEP = "CREATE TABLE {table}_k{keep} PARTITION OF {table} FOR VALUES IN ({keep}) PARTITION BY RANGE (t0);"

FOLD = """
CREATE TABLE metrics_fold (
    org_id bigint NOT NULL,
    family smallint NOT NULL,
    mark bigint NOT NULL,
    PRIMARY KEY (org_id, family)
);
"""

EPOCH = """
CREATE TABLE metrics_epoch (datastore_id bigint PRIMARY KEY, epoch bigint NOT NULL);
CREATE FUNCTION metrics_bump_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metrics_epoch AS e (datastore_id, epoch)
    SELECT DISTINCT datastore_id, 1 FROM gone ORDER BY datastore_id
    ON CONFLICT (datastore_id) DO UPDATE SET epoch = e.epoch + 1;
    RETURN NULL;
END $$;
-- Processes remember which name has which id; whoever deletes a series, by whatever way, makes them forget.
CREATE TRIGGER metrics_metric_deleted AFTER DELETE ON metrics_metric
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION metrics_bump_epoch();
"""

UNDO_EPOCH = """
DROP TRIGGER metrics_metric_deleted ON metrics_metric;
DROP FUNCTION metrics_bump_epoch();
DROP TABLE metrics_epoch;
"""


def external(table: str, *columns: str) -> str:
    return "".join(EXTERNAL.format(table=table, column=column) for column in columns)


def log(name: str) -> migrations.RunSQL:
    create = LOG.format(log=name) + external(name, "series", "timestamps", "data")
    return migrations.RunSQL(create, f"DROP TABLE {name}; DROP SEQUENCE {name}_seq;")


def chunks(name: str) -> migrations.RunSQL:
    tables = (f"{name}_hour", f"{name}_day")
    classes = "".join(KEEP.format(table=table, keep=keep) for table in tables for keep in (30, 90, 400))
    plain = external(tables[0], "members", "timestamps", "data") + external(tables[1], "timestamps", "data")
    return migrations.RunSQL(CHUNKS.format(name=name) + plain + classes, "".join(f"DROP TABLE {table};" for table in tables))


class Migration(migrations.Migration):
    dependencies = [("metrics", "0001_initial"), ("orgs", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="DetectionShard",
            fields=[
                ("shard", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("mark", models.BigIntegerField(default=0)),
                ("checkpoint_mark", models.BigIntegerField(default=0)),
                ("last_tick", models.DateTimeField(blank=True, null=True)),
            ],
            options={"ordering": ("shard",)},
        ),
        log("metrics_batch"),
        log("metrics_verdict"),
        chunks("metrics_point"),
        chunks("metrics_verdict"),
        migrations.RunSQL(FOLD, "DROP TABLE metrics_fold;"),
        migrations.RunSQL(EPOCH, UNDO_EPOCH),
    ]
