"""Partitions are made and dropped by functions with the owner's rights: the product's own role owns nothing.

They take no names but those of our own partitions, and drop only what may go: whoever calls, and whatever the caller believes.
"""

from django.db import migrations

# `metrics_batch` by days of arrival; hours and days of a retention class (`_k30`) by the times of their points. The comment says when.
MAKE = """
CREATE FUNCTION metrics_make_partition(parent text, first_day integer, days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    name text := format('%s_%s_%s', parent, first_day, days);
    span text;
BEGIN
    IF first_day NOT BETWEEN 0 AND 200000 OR days NOT BETWEEN 1 AND 50 THEN
        RAISE EXCEPTION 'No partition of % days from day % is made.', days, first_day;
    ELSIF parent IN ('metrics_batch', 'metrics_verdict') AND days = 1 THEN
        span := format('FROM (%L) TO (%L)', to_timestamp(first_day * 86400.0), to_timestamp((first_day + 1) * 86400.0));
    ELSIF parent ~ '^metrics_(point|verdict)_(hour|day)_k(30|90|400)$' THEN
        span := format('FROM (%s) TO (%s)', first_day * 86400000::bigint, (first_day + days) * 86400000::bigint);
    ELSE
        RAISE EXCEPTION 'No partitions are made of %.', parent;
    END IF;
    -- Two processes that need one partition make it once.
    PERFORM pg_advisory_xact_lock(1886151213);
    -- The catalog itself is asked: what this session remembers of names may be older than its wait for the lock.
    PERFORM FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = name AND n.nspname = current_schema();
    IF FOUND THEN
        RETURN;
    END IF;
    -- Made beside its parent and then attached, which stops neither readers nor writers. A day of a series packs to 2 or 3 kB: beside its
    -- row it costs a page and an index entry less than out of line.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE) WITH (toast_tuple_target = 8160)', name, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES %s', parent, name, span);
    EXECUTE format('COMMENT ON TABLE %I IS %L', name, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'));
END $$;
"""

# The parent is locked first, as writers do: the other way round the two would wait for each other.
DROP = """
CREATE FUNCTION metrics_drop_chunks(name text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    parts text[] := regexp_match(name, '^(metrics_(?:point|verdict)_(hour|day)_k(30|90|400))_([0-9]+)_([0-9]+)$');
    ended timestamptz;
    kept interval;
    is_filled boolean;
BEGIN
    IF parts IS NULL OR to_regclass(quote_ident(name)) IS NULL THEN
        RAISE EXCEPTION '% is no partition of chunks.', name;
    END IF;
    ended := to_timestamp((parts[4]::bigint + parts[5]::bigint) * 86400.0);
    kept := parts[3]::integer * interval '1 day';
    IF greatest(ended, obj_description(to_regclass(quote_ident(name)), 'pg_class')::timestamptz) + kept >= now() THEN
        -- Not expired: hours of days that have long become day chunks go all the same, when nothing is left in them.
        IF parts[2] = 'day' OR ended + interval '2 days' >= now() THEN
            RETURN false;
        END IF;
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO is_filled;
        IF is_filled THEN
            RETURN false;
        END IF;
        EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE; LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parts[1], name);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO is_filled;
        IF is_filled THEN
            RETURN false;
        END IF;
    END IF;
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE; DROP TABLE %I', parts[1], name);
    RETURN true;
END $$;

CREATE FUNCTION metrics_drop_log(name text, read_up_to bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    parts text[] := regexp_match(name, '^(metrics_(?:batch|verdict))_([0-9]+)_1$');
    is_needed boolean;
    -- A mark from the future is another cluster's, whose dump was restored here: it says nothing about this log.
    needed text := format('SELECT EXISTS (
        SELECT FROM orgs_org o LEFT JOIN metrics_fold f
            ON f.org_id = o.id AND f.family = $1 AND mark <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
         WHERE EXISTS (SELECT FROM %I b WHERE b.org_id = o.id AND b.xid >= least(coalesce(f.mark, 0), $2)))', name);
BEGIN
    IF parts IS NULL OR to_regclass(quote_ident(name)) IS NULL THEN
        RAISE EXCEPTION '% is no day of a log.', name;
    ELSIF to_timestamp((parts[2]::bigint + 1) * 86400.0) > now() THEN
        RETURN false;
    END IF;
    EXECUTE needed INTO is_needed USING CASE parts[1] WHEN 'metrics_batch' THEN 1 ELSE 2 END, read_up_to;
    IF is_needed THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE; LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parts[1], name);
    -- Asked again when nobody else can write to it: a request may have begun before midnight, a transaction may still have been open.
    EXECUTE needed INTO is_needed USING CASE parts[1] WHEN 'metrics_batch' THEN 1 ELSE 2 END, read_up_to;
    IF is_needed THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', name);
    RETURN true;
END $$;
"""
UNDO = """
DROP FUNCTION metrics_make_partition(text, integer, integer);
DROP FUNCTION metrics_drop_chunks(text);
DROP FUNCTION metrics_drop_log(text, bigint);
"""


def make(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        schema = cursor.fetchone()[0]
        for statement in (MAKE, DROP):
            cursor.execute(statement.replace("{schema}", schema))


def undo(apps, schema_editor):
    schema_editor.execute(UNDO)


class Migration(migrations.Migration):
    dependencies = [("metrics", "0003_detection"), ("orgs", "0001_initial")]

    operations = [migrations.RunPython(make, undo)]
