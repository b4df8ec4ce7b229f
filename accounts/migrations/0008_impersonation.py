"""Who has acted as whom. The database lets the log only grow."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# The log goes with its org when that is erased, and never otherwise. The database does that, so that the trigger can tell the two apart:
# by then the org is gone.
CASCADE = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'accounts_impersonation'::regclass AND contype = 'f' AND confrelid = 'orgs_org'::regclass
    LOOP
        EXECUTE format('ALTER TABLE accounts_impersonation DROP CONSTRAINT %I', found.conname);
    END LOOP;
END $$;
ALTER TABLE accounts_impersonation ADD CONSTRAINT impersonation_goes_with_its_org
    FOREIGN KEY (org_id) REFERENCES orgs_org (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
"""
APPEND_ONLY = """
CREATE FUNCTION accounts_keep_impersonations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM orgs_org WHERE id = OLD.org_id) THEN
            RETURN OLD;
        END IF;
    -- Whoever is erased leaves what was done; the addresses stay.
    ELSIF (NEW.user_id IS NULL OR NEW.user_id = OLD.user_id) AND (NEW.operator_id IS NULL OR NEW.operator_id = OLD.operator_id)
        AND to_jsonb(NEW) - 'user_id' - 'operator_id' = to_jsonb(OLD) - 'user_id' - 'operator_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The audit log is never altered or deleted.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER accounts_impersonation_append_only BEFORE UPDATE OR DELETE ON accounts_impersonation
    FOR EACH ROW EXECUTE FUNCTION accounts_keep_impersonations();
"""
UNDO = "DROP TRIGGER accounts_impersonation_append_only ON accounts_impersonation; DROP FUNCTION accounts_keep_impersonations();"


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_notices'),
        ('orgs', '0008_reported_alerts'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='user',
            options={'ordering': ('name', 'pk'), 'permissions': (('impersonate_user', 'Can act as a person'),)},
        ),
        migrations.CreateModel(
            name='Impersonation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(choices=[('began', 'Began'), ('ended', 'Ended')], max_length=8)),
                ('operator_email', models.EmailField(help_text='As it was then: it stays when the operator is erased.', max_length=254)),
                ('user_email', models.EmailField(help_text='As it was then.', max_length=254)),
                ('reason', models.CharField(max_length=500)),
                ('address', models.CharField(blank=True, max_length=45)),
                ('request_id', models.CharField(blank=True, help_text='Of the request in the log.', max_length=128)),
                ('created', models.DateTimeField()),
                ('operator', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('org', models.ForeignKey(on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='orgs.org')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-created', '-pk'),
            },
        ),
        # Undone with the table.
        migrations.RunSQL(CASCADE, migrations.RunSQL.noop),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
