# Nothing reaches a sealed table of the registry by logical replication: rows
# that are applied, rows that are copied at first.
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

my $node = PostgreSQL::Test::Cluster->new('roads');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'END');
shared_preload_libraries = 'pg_steward'
wal_level = logical
max_wal_senders = 4
max_replication_slots = 4
wal_retrieve_retry_interval = 100ms
END
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE governed');
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('governed', q(
	CREATE EXTENSION pg_steward;
	SELECT steward.register_model('regress_m', 'x', 'me');
	SELECT steward.register_version('regress_m', '1');
	SELECT steward.create_gate('never', 'approved', 'SELECT false');
	SELECT steward.quarantine('regress_m', '1', 'leaks')));

# Tables of the same shape where there is no extension, with rows that pretend.
$node->safe_psql('elsewhere', q(
	CREATE SCHEMA steward;
	CREATE TABLE steward.model_stage_event (model text, number bigint, version text, stage text, changed_at timestamptz, changed_by text,
		session_role text, gates jsonb, overridden boolean, reason text, PRIMARY KEY (model, number));
	CREATE TABLE steward.model_gate (name text PRIMARY KEY, stage text, check_sql text, description text, required boolean, timeout interval,
		purpose text, created_by text, created_at timestamptz);
	INSERT INTO steward.model_gate VALUES ('never', 'approved', 'SELECT true', NULL, true, '1 s', NULL, 'me', now());
	CREATE TABLE steward.model_quarantine (model text, version text, reason text, quarantined_at timestamptz, quarantined_by text, session_role text);
	ALTER TABLE steward.model_quarantine REPLICA IDENTITY FULL;
	INSERT INTO steward.model_quarantine SELECT 'regress_m', '1', 'leaks', now(), 'postgres', 'postgres'));

(my $connection = $node->connstr('elsewhere')) =~ s{'}{''}g;
my $tries = 0;

# What the governed database says of stages, gates and quarantines.
sub state
{
	return $node->safe_psql('governed', q(SELECT m.version, m.stage, g.name, g.required, g.check_sql, (SELECT count(*) FROM steward.model_quarantine)
		FROM steward.model_stage m, steward.model_gate g));
}
my $state = state();

# Subscribes to a table, makes a change there and looks what comes of it.
sub refused
{
	my ($table, $copy, $change, $action) = @_;
	my $name = 'road' . ++$tries;
	my $from = -s $node->logfile;

	$node->safe_psql('elsewhere', "CREATE PUBLICATION $name FOR TABLE steward.$table");
	$node->safe_psql('elsewhere', "SELECT pg_create_logical_replication_slot('$name', 'pgoutput')");
	$node->safe_psql('governed', "CREATE SUBSCRIPTION $name CONNECTION '$connection' PUBLICATION $name
		WITH (create_slot = false, slot_name = $name, copy_data = $copy, disable_on_error = true)");
	$node->safe_psql('elsewhere', $change) if $change;
	ok($node->poll_query_until('governed', "SELECT NOT subenabled FROM pg_subscription WHERE subname = '$name'"), "$table, $action: the subscription stops");
	like(substr(slurp_file($node->logfile), $from), qr/$action of "steward\.$table" is refused: pg_steward alone writes it/, '... because it is refused');
	is(state(), $state, '... and nothing has changed');
	$node->safe_psql('governed', "ALTER SUBSCRIPTION $name SET (slot_name = NONE)");
	$node->safe_psql('governed', "DROP SUBSCRIPTION $name");
	$node->safe_psql('elsewhere', "DROP PUBLICATION $name");
	$node->poll_query_until('elsewhere', "SELECT NOT active FROM pg_replication_slots WHERE slot_name = '$name'");
	$node->safe_psql('elsewhere', "SELECT pg_drop_replication_slot('$name')");
	return;
}

refused('model_stage_event', 'false',
	q(INSERT INTO steward.model_stage_event VALUES ('regress_m', 1, '1', 'production', now(), 'me', 'me', '[]', false, NULL)), 'INSERT');
refused('model_stage_event', 'true', '', 'INSERT');
refused('model_gate', 'false', q(UPDATE steward.model_gate SET required = false), 'UPDATE');
refused('model_gate', 'false', q(DELETE FROM steward.model_gate), 'DELETE');
$node->safe_psql('elsewhere', q(UPDATE steward.model_quarantine SET quarantined_at = ') .
	  $node->safe_psql('governed', 'SELECT quarantined_at FROM steward.model_quarantine') . q('));
refused('model_quarantine', 'false', q(DELETE FROM steward.model_quarantine), 'DELETE');
refused('model_quarantine', 'false', q(TRUNCATE steward.model_quarantine), 'TRUNCATE');

$node->stop;
done_testing();
