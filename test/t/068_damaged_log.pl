# A log that is damaged where it grows takes no records: what must be logged
# there is refused, the other logs go on, nothing is lost.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Steward;
use Test::More;

my $node = steward_server('damaged');
$node->append_conf('postgresql.conf', 'steward.checkpoint_interval = 1s');
$node->reload;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Ends the writer; the next one reads the logs anew.
sub new_writer
{
	my $pid = sql('SELECT writer_pid FROM steward.status');

	sql("SELECT pg_terminate_backend($pid, 10000)") if $pid ne '';
	ok($node->poll_query_until('postgres', "SELECT writer_pid IS DISTINCT FROM nullif('$pid', '')::int AND writer_pid IS NOT NULL FROM steward.status"),
		'another writer');
	return;
}

# What a superuser does with triggers off.
sub tamper { return sql("SET session_replication_role = replica; BEGIN; $_[0]; COMMIT"); }

sql(q(
CREATE EXTENSION pg_steward;
CREATE TABLE async (id int); INSERT INTO async VALUES (1);
CREATE TABLE sync (id int); INSERT INTO sync VALUES (1);
SELECT steward.protect('async');
SELECT steward.protect('sync', audit => 'sync');
SELECT steward.register_model('m', 'tests');
SELECT steward.register_version('m', '1');
SELECT count(*) FROM async; SELECT count(*) FROM sync;
SELECT steward.log_inference('m', '1', '{"n": 1}', '{}');
SELECT steward.flush();));
my $whole = sql('SELECT log, size, ok FROM steward.verify() ORDER BY 1');

# ---------------------------------------------------------------------
# The access log
# ---------------------------------------------------------------------

my $partition = sql(q(SELECT partition FROM steward.log_partitions('access_event') LIMIT 1));
sql("CREATE TABLE public.kept AS SELECT * FROM $partition ORDER BY seq DESC LIMIT 1");
sql("ALTER TABLE $partition DISABLE TRIGGER ALL");
tamper("DELETE FROM $partition WHERE seq = (SELECT seq FROM kept)");
new_writer();
ok($node->poll_query_until('postgres', q(SELECT reason ~ '^log "access_event" is damaged' FROM steward.status)), 'status shows the damage');

foreach my $table ('async', 'sync')
{
	fails_like($node, 'postgres', "SELECT count(*) FROM $table",
		[ qr/ERROR:  log "access_event" is damaged and takes no records/, qr/HINT:.*steward\.verify\(\)/ ], "a read of a table that is logged $table");
}
sql(q(SELECT steward.log_inference('m', '1', '{"n": 2}', '{}')));
sql(q(SELECT steward.create_purpose('while damaged'); SELECT steward.flush()));
is(sql('SELECT count(*) FROM steward.inference_log'), '2', 'the other logs go on');
is(sql(q(SELECT count(*) FROM steward.change_log WHERE object_name = 'while damaged')), '1', '... the change log, too');
is(sql('SELECT set_aside, queue_depth FROM steward.status'), '0|0', '... and nothing was set aside one by one');
is(sql(q(SELECT ok FROM steward.verify('access_event'))), 'f', 'verify() finds the damage');

# What was queued before the damage was known is kept, and on disk when a sync
# access is refused.
sql("INSERT INTO $partition SELECT * FROM kept");
ok($node->poll_query_until('postgres', q(SELECT reason IS NULL FROM steward.status)), 'whole again, the log is taken up by itself');
is(sql('SELECT count(*) FROM sync'), '1', '... and reads are let in');
sql('SELECT steward.flush()');
is(sql(q(SELECT command, relation_name, outcome FROM steward.access_log ORDER BY seq DESC LIMIT 1)), 'select|public.sync|completed', '... and logged');
is(sql('SELECT bool_and(ok) FROM steward.verify()'), 't', '... and verified');

# The writer stands still while the log is damaged under it.
sql('DROP TABLE kept');
sql("CREATE TABLE public.kept AS SELECT * FROM $partition ORDER BY seq DESC LIMIT 1");
my $writer = sql('SELECT writer_pid FROM steward.status');
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe(qq(BEGIN; LOCK TABLE steward.writer_state IN ACCESS EXCLUSIVE MODE; SELECT 1));
my $reader = $node->background_psql('postgres', on_error_stop => 0);
$reader->query_until(qr/read/, qq(\\echo read\nSELECT count(*) FROM sync;\n));
ok($node->poll_query_until('postgres', qq(SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $writer)), 'the writer waits');
$session->query_safe("SET LOCAL session_replication_role = replica; DELETE FROM $partition WHERE seq = (SELECT seq FROM kept)");
$session->query_safe("SELECT pg_cancel_backend($writer)");
$session->query_safe('COMMIT');
like($reader->query('SELECT 1'), qr/^1$/m, 'the reader that waited got its answer');
like($reader->{stderr}, qr/log "access_event" is damaged and takes no records/, '... an error');
sql('SELECT steward.flush()');
is(sql(q(SELECT log, error_code, count(*), min(error) ~ 'access_event' FROM steward.set_aside_record GROUP BY 1, 2)), 'access_event|XX001|2|t',
	'its intent, queued before, and its outcome are set aside');
is(sql('SELECT set_aside, queue_depth FROM steward.status'), '2|0', '... counted and shown');
$_->quit foreach ($reader, $session);
sql("INSERT INTO $partition SELECT * FROM kept");
ok($node->poll_query_until('postgres', q(SELECT reason IS NULL FROM steward.status)), 'whole again');

# ---------------------------------------------------------------------
# The change log
# ---------------------------------------------------------------------

my $changes = sql(q(SELECT partition FROM steward.log_partitions('change_log') LIMIT 1));
sql('SELECT steward.flush(); DROP TABLE kept');
sql("CREATE TABLE public.kept AS SELECT * FROM $changes ORDER BY seq DESC LIMIT 1");
sql("ALTER TABLE $changes DISABLE TRIGGER ALL");
tamper("DELETE FROM $changes WHERE seq = (SELECT seq FROM kept)");
new_writer();
ok($node->poll_query_until('postgres', q(SELECT reason ~ '^log "change_log" is damaged' FROM steward.status)), 'the change log is damaged');
sql(q(SELECT steward.create_purpose('kept in the outbox')));
sql('SELECT count(*) FROM sync');
is(sql(q(SELECT count(*) FROM steward.change_outbox WHERE object_name = 'kept in the outbox')), '1', 'changes stay in the outbox');
sql("INSERT INTO $changes SELECT * FROM kept");
ok($node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM steward.change_log WHERE object_name = 'kept in the outbox')), '... and come into the log when it is whole');
is(sql('SELECT bool_and(ok) FROM steward.verify()'), 't', 'all logs are whole');
is(sql('SELECT set_aside FROM steward.status'), '2', 'nothing more was set aside');

# ---------------------------------------------------------------------
# What cannot be repaired
# ---------------------------------------------------------------------

fails_like($node, 'postgres', q(SELECT steward.adopt('nothing is wrong')), [qr/there is nothing to adopt/], 'adopt() where nothing is wrong');
tamper("DELETE FROM $partition WHERE seq = (SELECT max(seq) FROM $partition)");
new_writer();
ok($node->poll_query_until('postgres', q(SELECT reason ~ '^log "access_event" is damaged' FROM steward.status)), 'damaged for good');
fails_like($node, 'postgres', q(SELECT steward.adopt('damaged')), [ qr/the logs of this database are damaged/, qr/accept_damage => true/ ], 'adopt() without a word');
is(sql(q(SELECT string_agg(log, ',') FROM steward.adopt('nothing else is left', accept_damage => true) WHERE NOT ok)), 'access_event', 'adopt() that accepts the damage');
ok($node->poll_query_until('postgres', q(SELECT reason IS NULL FROM steward.status)), '... lets the log go on');
is(sql('SELECT count(*) FROM sync'), '1', '... and reads in');
sql('SELECT steward.flush()');
is(sql(q(SELECT command, relation_name, outcome FROM steward.access_log ORDER BY seq DESC LIMIT 1)), 'select|public.sync|completed', '... which are logged');
is(sql(q(SELECT ok, problem ~ 'is missing' FROM steward.verify('access_event'))), 'f|t', 'verify() goes on finding the damage');
is(sql(q(SELECT count(*) FROM steward.installation WHERE damage ~ 'access_event')), '1', '... which is on record');

$node->stop;
done_testing();
