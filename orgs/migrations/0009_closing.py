from django.db import migrations, models

# With the owner's rights: some tables only grow, and only go with their org. It erases nothing but an org that was closed long enough ago.
# Tables are found in the catalog, so that one which is new is erased too; what refers to another table of the org goes in the next pass.
ERASE = """
CREATE FUNCTION plumbline_erase_org(doomed bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    found record;
    trouble text;
BEGIN
    IF NOT EXISTS (SELECT FROM orgs_org WHERE id = doomed AND closed < now() - interval '7 days') THEN
        RAISE EXCEPTION 'Only an org that was closed seven days ago is erased.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SET CONSTRAINTS ALL DEFERRED;
    FOR found IN
        SELECT c.conrelid::regclass AS child, a.attname AS col, c.confrelid::regclass AS parent, k.attname AS key
          FROM pg_constraint c
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
          JOIN pg_attribute k ON k.attrelid = c.confrelid AND k.attnum = c.confkey[1]
         WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace AND cardinality(c.conkey) = 1
           AND EXISTS (SELECT FROM pg_attribute p WHERE p.attrelid = c.confrelid AND p.attname = 'org_id' AND NOT p.attisdropped)
           AND NOT EXISTS (SELECT FROM pg_attribute p WHERE p.attrelid = c.conrelid AND p.attname = 'org_id' AND NOT p.attisdropped)
           AND c.conrelid <> 'orgs_org'::regclass
    LOOP
        EXECUTE format('DELETE FROM %s child USING %s parent WHERE child.%I = parent.%I AND parent.org_id = $1',
                       found.child, found.parent, found.col, found.key) USING doomed;
    END LOOP;
    FOR pass IN 1..5 LOOP
        trouble := NULL;
        FOR found IN
            SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE a.attname = 'org_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND c.relnamespace = current_schema()::regnamespace
        LOOP
            BEGIN
                EXECUTE format('DELETE FROM %s WHERE org_id = $1', found.name) USING doomed;
            EXCEPTION WHEN OTHERS THEN
                trouble := SQLERRM;
            END;
        END LOOP;
        EXIT WHEN trouble IS NULL;
    END LOOP;
    -- What is left only goes with the org itself; were it more than that, a foreign key would hold the org.
    DELETE FROM orgs_org WHERE id = doomed;
    SET CONSTRAINTS ALL IMMEDIATE;
    RETURN true;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0008_reported_alerts")]

    operations = [
        migrations.AddField(
            model_name="org",
            name="closed",
            field=models.DateTimeField(blank=True, editable=False, help_text="Closed by an admin: erased a week later.", null=True),
        ),
        migrations.RunSQL(ERASE, "DROP FUNCTION plumbline_erase_org(bigint)"),
    ]
