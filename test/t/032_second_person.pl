# Second-person approval outside of one session: clients and owners of the
# database cannot switch it off, drivers can approve with bound parameters, the
# server log tells what was done and no secret, and what waits is dumped and
# can be approved where it is restored.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = 'regress test secret of a second person';
my $node = PostgreSQL::Test::Cluster->new('second');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pg_steward'
log_statement = 'none'
steward.require_second_person = on
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_steward;
CREATE ROLE regress_alice LOGIN IN ROLE steward_admin;
CREATE ROLE regress_bob LOGIN IN ROLE steward_officer;
CREATE ROLE regress_gone LOGIN IN ROLE steward_admin;
CREATE ROLE regress_reader LOGIN;
CREATE TABLE feature (id integer PRIMARY KEY, what text);
INSERT INTO feature VALUES (1, 'a'), (2, 'b');
GRANT SELECT ON feature TO regress_reader;
SELECT steward.protect('feature');
SELECT steward.create_mask('what', 'feature', 'what', '''***''');
SELECT steward.set_tags('feature', 'id', '{key}');
});

# Runs statements as a role; output and errors.
sub as
{
	my ($role, $sql, $db, %options) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PGOPTIONS} = $options{options} if $options{options};
	$node->psql($db || 'postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 0, extra_params => [ '-U', $role ]);
	return wantarray ? ($out, $err) : $out;
}

my $policy = q{SELECT steward.create_row_policy('all', 'feature', 'true', roles => '{regress_reader}');};
my $hash = q{SELECT change_sha256 FROM steward.pending_change WHERE function = 'create_row_policy'};

# Who cannot switch it off.
my ($out, $err) = as('regress_alice', $policy, undef, options => '-c steward.require_second_person=off');
like($err, qr/permission denied to set parameter "steward.require_second_person"/, 'not in the options of a connection');
is(as('regress_reader', 'SELECT count(*) FROM feature'), '', 'no policy, no rows');
$node->safe_psql('postgres', 'CREATE DATABASE owned OWNER regress_alice; ALTER DATABASE owned SET steward.require_second_person = on');
($out, $err) = as('regress_alice', 'ALTER DATABASE owned SET steward.require_second_person = off');
like($err, qr/permission denied/, 'not the owner of the database');
as('regress_alice', 'ALTER DATABASE owned RESET ALL');
is($node->safe_psql('postgres', q{SELECT setconfig FROM pg_db_role_setting}), '{steward.require_second_person=on}', 'nor by RESET ALL');

# It waits, and says so, also to clients that hide notices.
($out, $err) = as('regress_alice', "SET client_min_messages = warning; $policy");
like($err, qr/WARNING:  create_row_policy\(\) waits for a second person: nothing has changed yet/, 'it waits');
like($err, qr/HINT:  .*approve_policies\('\\x[0-9a-f]{64}'/, 'the hint tells how to approve it');
my $change = $node->safe_psql('postgres', $hash);
as('regress_alice', qq{SELECT steward.create_issuer('idp', 'https://regress.example', secret => '$secret')});
as('regress_alice', q{SELECT steward.unprotect('feature', 'canary reason')});
as('regress_gone', q{SELECT steward.grant_break_glass('regress_reader')});

# A driver approves: extended protocol, prepared, bound parameters.
my $dump = $node->backup_dir . '/dump.sql';
$node->safe_psql('postgres', 'DROP ROLE regress_gone');
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dump');
foreach my $mode (qw(simple extended prepared))
{
	my $script = $node->basedir . "/approve_$mode.sql";

	append_to_file($script, qq{\\set n 1\nSELECT action FROM steward.approve_policies('$change', 'approval number ' || :n);\n});
	$node->command_checks_all([ 'pgbench', '-n', '-t', '1', '-M', $mode, '-f', $script, '-U', 'regress_alice', 'postgres' ],
		2, [], [qr/who asked for a policy change cannot approve it/], "not who asked: $mode");
	next if $mode ne 'prepared';
	$node->command_ok([ 'pgbench', '-n', '-t', '1', '-M', $mode, '-f', $script, '-U', 'regress_bob', 'postgres' ], 'a driver approves');
}
is(as('regress_reader', 'SELECT id, what FROM feature ORDER BY id'), "1|***\n2|***", 'the policy is in force');

# The log.
my $log = slurp_file($node->logfile);
like($log, qr/LOG:  pg_steward: regress_bob approved policy change [0-9a-f]{64}: approval number 1/, 'the log tells of the approval');
unlike($log, qr/unprotected table/, 'what was only tried is not told as done');
unlike($log, qr/LOG:.*\Q$secret\E/, 'no secret');
unlike(slurp_file($dump), qr/\Q$secret\E/, 'nor in the dump');

# Restored, it waits as before.
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'the dump is restored, with the setting on');
is(as('regress_reader', 'SELECT count(*) FROM feature', 'restored'), '', 'what waits is not in force');
is($node->safe_psql('restored', 'SELECT function, status FROM steward.policy_change ORDER BY requested_at'),
	"create_row_policy|pending\ncreate_issuer|pending\nunprotect|pending\ngrant_break_glass|pending", 'it waits');
is($node->safe_psql('restored', q{SELECT label FROM pg_seclabels WHERE provider = 'steward' AND objtype = 'column'}), 'key', 'labels are restored');
($out, $err) = as('regress_alice', "SELECT action FROM steward.approve_policies('$change', 'restored')", 'restored');
like($err, qr/who asked for a policy change cannot approve it/, 'who asked is known');
is(as('regress_bob', "SELECT action, kind FROM steward.approve_policies('$change', 'restored')", 'restored'), 'create|row_policy', 'it is approved');
is(as('regress_reader', 'SELECT id, what FROM feature ORDER BY id', 'restored'), "1|***\n2|***", 'and in force');
($out, $err) = as('regress_bob', q{SELECT p.action FROM steward.pending_change c, steward.approve_policies(c.change_sha256, 'of whom?') p WHERE c.function = 'grant_break_glass'}, 'restored');
like($err, qr/the role that asked for this policy change was dropped/, 'whose role was dropped is refused');
is(as('regress_bob', q{SELECT p.action, p.kind FROM steward.pending_change c, steward.approve_policies(c.change_sha256, 'ours') p WHERE c.function = 'create_issuer'}, 'restored'),
	'create|issuer', 'a secret waits wrapped');
is(as('regress_alice', q{SELECT steward.set_attribute('regress_reader', 'a', '{b}'); SELECT count(*) FROM steward.pending_change}, 'restored'), "\n3", 'the numbers go on');

$node->stop;
done_testing();
