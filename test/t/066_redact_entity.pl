# Erasing a person of whom there are very many records: in bounded memory, and
# all or nothing when it is cancelled.  And: the keeper applies retention.
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

my $node = steward_server('entity');
# so that what a session touches of it does not count
$node->append_conf('postgresql.conf', "shared_buffers = 16MB\nsteward.partition_records = 65536");
$node->restart;

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $inferences = $ENV{STEWARD_SHORT} ? 10_000 : 30_000;
my $accesses = 2000;

sql(q(
CREATE EXTENSION pg_steward;
CREATE TABLE person (id int PRIMARY KEY, name text);
INSERT INTO person SELECT i, 'person ' || i FROM generate_series(1, 10) i;
SELECT steward.protect('person', entity_column => 'name');
SELECT steward.register_model('m', 'tests');
SELECT steward.register_version('m', '1');));
sql(qq(INSERT INTO steward.inference_insert (model, version, input, output, entities)
	SELECT 'm', '1', jsonb_build_object('n', i, 'filler', repeat(md5(i::text), 10)), '{}', '{person 1}' FROM generate_series(1, $inferences) i));
my $script = PostgreSQL::Test::Utils::tempdir() . '/accesses.sql';
PostgreSQL::Test::Utils::append_to_file($script, "SELECT id FROM person WHERE id IN (1, 2);\n");
$node->command_ok([ 'pgbench', '-n', '-f', $script, '-c', 2, '-t', $accesses / 2, $node->connstr('postgres') ], 'many accesses');
sql('SELECT steward.flush()');

my $left = q(SELECT (SELECT count(*) FROM steward.inference_log WHERE input IS NOT NULL),
	(SELECT count(*) FROM steward.access_event WHERE entities IS NOT NULL), (SELECT count(*) FROM steward.entity_remainder));
is(sql($left), "$inferences|$accesses|0", 'what there is of the person');

fails_like($node, 'postgres', q(SET statement_timeout = '100ms'; SELECT steward.redact_entity('person 1', 'cancelled')),
	[qr/canceling statement due to statement timeout/], 'an erasure that is cancelled');
is(sql($left), "$inferences|$accesses|0", '... has erased nothing');

my $peak = q(SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\s+(\d+)'))[1]::int);
my ($before, $erased, $after) = split /\n/, sql("$peak; SELECT steward.redact_entity('person 1', 'request of the person'); $peak");
is($erased, $inferences + $accesses, 'all records of the person are erased');
cmp_ok($after - $before, '<', 48 * 1024, '... in little memory') or diag("$before kB before, $after kB after");
diag('figures: ' . int(($after - $before) / 1024) . " MB for $erased records");
is(sql($left), "0|0|$accesses", '... and the other persons are kept');
sql('SELECT steward.flush()');
is(sql('SELECT bool_and(ok) FROM steward.verify()'), 't', 'the logs verify');
is(sql(q(SELECT count(*) FROM steward.change_log WHERE object_kind = 'log record' AND action = 'redact')), $erased, 'each erasure is in the change log');
is(sql(q(SELECT count(*) FROM steward.who_saw('person', 'person 1'))), '0', 'the person is not found any more');
is(sql(q(SELECT count(*) FROM steward.who_saw('person', 'person 2'))), $accesses, 'another person is');
is(sql(q(SELECT steward.redact_entity('person 1', 'again'))), '0', 'erasing twice finds nothing');

# ---------------------------------------------------------------------
# The keeper
# ---------------------------------------------------------------------

sql(q(INSERT INTO steward.inference_insert (model, version, input, output) SELECT 'm', '1', '{}', '{}' FROM generate_series(1, 66000)));
sql(q(SELECT steward.flush(); SELECT steward.set_retention('inference_log', '6 months')));
$node->restart;
my $partitions = q(SELECT count(*) FROM steward.log_partitions('inference_log') WHERE first_seq = 0);
$node->poll_query_until('postgres', q(SELECT keeper = 'rests' FROM steward.status));
is(sql($partitions), '1', 'what is younger than its time stays');
# old enough, by a superuser's word
sql(q(INSERT INTO steward.log_retention (log, minimum, keep) VALUES ('inference_log', '1 second', '1 second')
	ON CONFLICT (log) DO UPDATE SET minimum = excluded.minimum, keep = excluded.keep));
$node->restart;
ok($node->poll_query_until('postgres', "SELECT ($partitions) = 0"), 'the keeper drops what is older');
sql('SELECT steward.flush()');
is(sql(q(SELECT object_name, after ->> 'from_seq', after ->> 'to_seq', session_role = current_user FROM steward.change_log WHERE object_kind = 'log' AND action = 'drop records')),
	'inference_log|0|65535|t', '... which the change log tells');
is(sql('SELECT bool_and(ok) FROM steward.verify()'), 't', '... so that the logs verify');

$node->stop;
done_testing();
