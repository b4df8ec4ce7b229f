"""Who has looked at what is masked. The database lets the log only grow."""

import django.contrib.postgres.fields
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
        WHERE conrelid = 'datastores_auditentry'::regclass AND contype = 'f' AND confrelid = 'orgs_org'::regclass
    LOOP
        EXECUTE format('ALTER TABLE datastores_auditentry DROP CONSTRAINT %I', found.conname);
    END LOOP;
END $$;
ALTER TABLE datastores_auditentry ADD CONSTRAINT audit_goes_with_its_org
    FOREIGN KEY (org_id) REFERENCES orgs_org (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
"""
APPEND_ONLY = """
CREATE FUNCTION datastores_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM orgs_org WHERE id = OLD.org_id) THEN
            RETURN OLD;
        END IF;
    -- A person who is erased leaves what they did; the address stays.
    ELSIF NEW.user_id IS NULL AND to_jsonb(NEW) - 'user_id' = to_jsonb(OLD) - 'user_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The audit log is never altered or deleted.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER datastores_auditentry_append_only BEFORE UPDATE OR DELETE ON datastores_auditentry
    FOR EACH ROW EXECUTE FUNCTION datastores_keep_audit();
"""
UNDO = "DROP TRIGGER datastores_auditentry_append_only ON datastores_auditentry; DROP FUNCTION datastores_keep_audit();"


class Migration(migrations.Migration):

    dependencies = [
        ('datastores', '0002_initial'),
        ('orgs', '0007_event_external_id'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_email', models.EmailField(help_text='As it was then: it stays when the person is erased.', max_length=254)),
                ('action', models.CharField(choices=[('unmask_field_values', 'Masked values were shown')], max_length=32)),
                ('resource_type', models.CharField(choices=[('anomaly', 'Anomaly'), ('container', 'Container'), ('field_profile', 'Field profile')], max_length=16)),
                ('resource_id', models.BigIntegerField(help_text='No foreign key: the entry outlives what it is about.')),
                ('masked_field_names', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=500), size=None)),
                ('endpoint', models.CharField(max_length=200)),
                ('ip_address', models.GenericIPAddressField(blank=True, null=True)),
                ('created', models.DateTimeField()),
                ('org', models.ForeignKey(on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='orgs.org')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'ordering': ('-created', '-pk'),
                'indexes': [models.Index(fields=['org', '-created', '-id'], name='audit_recent')],
            },
        ),
        # Undone with the table.
        migrations.RunSQL(CASCADE, migrations.RunSQL.noop),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
