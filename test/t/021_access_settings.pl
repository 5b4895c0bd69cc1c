# Purposes that come from elsewhere than SET: connection options, ALTER ROLE,
# ALTER DATABASE and the configuration file.  A bad one warns and counts as
# none, until it is granted.
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

my $node = steward_server('settings');
my $db = 'regress_settings';

$node->safe_psql('postgres', "CREATE DATABASE $db");
$node->safe_psql($db, q(
	CREATE EXTENSION pg_steward;
	CREATE ROLE regress_user LOGIN;
	CREATE ROLE regress_other LOGIN;
	CREATE TABLE regress_t (id integer);
	INSERT INTO regress_t VALUES (1), (2);
	GRANT SELECT ON regress_t TO regress_user, regress_other;
	SELECT steward.protect('regress_t');
	SELECT steward.create_purpose('regress-a');
	SELECT steward.create_purpose('regress-b');
	SELECT steward.create_row_policy('a', 'regress_t', 'id = 1', purposes => '{regress-a}');
	SELECT steward.create_row_policy('b', 'regress_t', 'id = 2', purposes => '{regress-b}');
	SELECT steward.grant_purpose('regress-a', 'regress_user')));

# What a fresh session sees, with what it was told at log-in.
sub session
{
	my ($role, %args) = @_;
	local $ENV{PGOPTIONS} = $args{options} // '';

	my $sql = $args{sql} //
	  q(SELECT coalesce(steward.current_purpose(), 'none'), pg_catalog.current_setting('steward.purpose'), (SELECT pg_catalog.array_agg(id) FROM regress_t));

	# not through psql's stdin, which a refused session does not read
	return run_command([ 'psql', '-XAtq', '-U', $role, '-d', $node->connstr($args{db} // $db),
		map { ('-c', $_) } split /;\s*/, $sql ]);
}

my ($out, $err);

# Connection options.
($out, $err) = session('regress_user', options => '-c steward.purpose=regress-a');
is($out, 'regress-a|regress-a|{1}', 'a granted purpose in a connection option');
is($err, '', '... without a word');

($out, $err) = session('regress_user', options => '-c steward.purpose=regress-b');
like($err, qr/WARNING:  purpose "regress-b" is not known or not granted to role "regress_user"/, 'one that is not granted warns');
like($err, qr/ERROR:  no row policy lets role "regress_user" select rows of table public.regress_t without a purpose.*Purpose "regress-b" is not granted to this role now/s, '... and counts as none');

($out, $err) = session('regress_user', options => '-c steward.purpose=nonsense');
like($err, qr/WARNING:  purpose "nonsense" is not known/, 'one that does not exist warns');

($out, $err) = session('regress_user', options => '-c steward.purpose=' . ('x' x 300));
like($err, qr/purpose is longer than 200 bytes/, 'one that is too long is an error');

($out, $err) = session('regress_user', options => '-c steward.on_no_policy=empty');
like($err, qr/permission denied to set parameter "steward.on_no_policy"/, 'settings of administrators take one');

# ALTER ROLE and ALTER DATABASE, checked under the issuer, then at log-in.
$node->safe_psql($db, "ALTER ROLE regress_user SET steward.purpose = 'regress-a'");
($out, $err) = session('regress_user');
is($out, 'regress-a|regress-a|{1}', 'a granted purpose of ALTER ROLE');
is($err, '', '... without a word');

my (undef, undef, $warning) = $node->psql($db, "ALTER ROLE regress_user SET steward.purpose = 'later'");
like($warning, qr/WARNING:  purpose "later" is not known or not granted to role/, 'ALTER ROLE warns under the issuer');
($out, $err) = session('regress_user', sql => 'SELECT steward.current_purpose() IS NULL');
is($out, 't', '... and counts as none at log-in');
like($err, qr/WARNING:  purpose "later" is not known/, '... with a warning');

$node->safe_psql($db, q(SELECT steward.create_purpose('later'); SELECT steward.grant_purpose('later', 'regress_user')));
($out, $err) = session('regress_user', sql => 'SELECT steward.current_purpose()');
is($out, 'later', 'granted, it counts');
is($err, '', '... without a word');
($out) = session('regress_user', sql => q(SET steward.purpose = 'regress-a'; RESET steward.purpose; SHOW steward.purpose));
is($out, 'later', 'RESET returns to it');
$node->safe_psql($db, q(SELECT steward.revoke_purpose('later', 'regress_user')));
($out, $err) = session('regress_user', sql => q(SET steward.purpose = 'regress-a'; RESET steward.purpose; SELECT coalesce(steward.current_purpose(), 'none'); DISCARD ALL; SHOW steward.purpose));
is($out, "none\nlater", 'RESET and DISCARD ALL return to one that is no longer granted, and it counts as none');
$node->safe_psql($db, 'ALTER ROLE regress_user RESET steward.purpose');

$node->psql($db, "ALTER DATABASE $db SET steward.purpose = 'regress-a'");
($out, $err) = session('regress_user');
is($out, 'regress-a|regress-a|{1}', 'a granted purpose of ALTER DATABASE');
($out, $err) = session('regress_other', sql => 'SELECT steward.current_purpose() IS NULL');
is($out, 't', '... counts for nobody else');
like($err, qr/WARNING:  purpose "regress-a" is not known or not granted to role "regress_other"/, '... who is warned');
$node->safe_psql($db, "ALTER DATABASE $db RESET steward.purpose");
$node->safe_psql($db, "ALTER ROLE regress_user IN DATABASE $db SET steward.purpose = 'regress-a'");
($out) = session('regress_user');
is($out, 'regress-a|regress-a|{1}', 'a granted purpose of ALTER ROLE IN DATABASE');
$node->safe_psql($db, "ALTER ROLE regress_user IN DATABASE $db RESET ALL");

# The configuration file: at start, and at a reload while sessions are open.
$node->append_conf('postgresql.conf', q(steward.purpose = 'regress-a'));
$node->restart;
($out, $err) = session('regress_user');
is($out, 'regress-a|regress-a|{1}', 'a purpose of the configuration file');
($out, $err) = session('regress_other', sql => 'SELECT steward.current_purpose() IS NULL');
is($out, 't', '... counts for nobody to whom it is not granted');
$node->append_conf('postgresql.conf', q(steward.purpose = 'nonsense'));
$node->reload;
ok($node->poll_query_until($db, q(SELECT pg_catalog.current_setting('steward.purpose') = 'nonsense')), 'a reload with one that does not exist');
($out) = session('regress_user', sql => 'SELECT steward.current_purpose() IS NULL');
is($out, 't', '... counts as none');
# where the extension is not created, nothing is checked and nothing breaks
($out, $err) = session('regress_user', db => 'postgres', sql => 'SELECT 1');
is("$out$err", '1', 'a database without the extension');
$node->adjust_conf('postgresql.conf', 'steward.purpose', q(''));
$node->restart;

# Parallel workers take over what the leader has, also after SET ROLE.
$node->safe_psql($db, q(
	CREATE TABLE regress_big AS SELECT i AS id, i % 2 AS half FROM pg_catalog.generate_series(1, 20000) AS i;
	ANALYZE regress_big;
	GRANT SELECT ON regress_big TO regress_user;
	SELECT steward.protect('regress_big');
	SELECT steward.set_attribute('regress_user', 'half', '{1}');
	SELECT steward.create_row_policy('a', 'regress_big', 'half = steward.attr(''half'', 7)', purposes => '{regress-a}')));
($out, $err) = session('postgres', sql => q(
	SET ROLE regress_user;
	SET steward.purpose = 'regress-a';
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SELECT 'forced ' || pg_catalog.set_config(name, 'on', false) FROM pg_catalog.pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode');
	SELECT pg_catalog.count(*) FROM regress_big));
like($out, qr/^10000$/m, 'a parallel scan sees what its leader may');

$node->stop;
done_testing();
