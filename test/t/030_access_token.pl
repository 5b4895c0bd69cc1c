# Identity behind poolers: keys and dumps, expiry, logs, a standby, and
# pgbouncer with more clients than connections.
#
# STEWARD_POOL_SECONDS says how long the clients of pgbouncer run (default 8).
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64 encode_base64url);
use POSIX qw(WNOHANG);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# Keys of this test, for nothing else.
my $secret = 'regress test secret in a table, for nothing else';
my $file_secret = 'regress test secret in a file, for nothing else';
my $hex = unpack('H*', $secret);

# A token for the subject, with more claims as JSON text.
sub token
{
	my ($subject, $exp, $more, $key, $issuer) = @_;
	my $payload = sprintf('{"iss": "%s", "sub": "%s", "exp": %d%s}',
		$issuer // 'https://regress.example', $subject, $exp // time() + 3600, $more // '');
	my $signed = encode_base64url('{"alg": "HS256", "typ": "JWT"}') . '.' . encode_base64url($payload);
	return $signed . '.' . encode_base64url(hmac_sha256($signed, $key // $secret));
}

my $node = PostgreSQL::Test::Cluster->new('token');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pg_steward'
log_statement = 'all'
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_min_error_statement = 'error'
max_connections = 30
});
$node->start;
my $keys = $node->data_dir . '/pg_steward_keys';
my $master = "$keys/master.key";

$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_steward;
CREATE ROLE regress_analyst;
CREATE ROLE regress_app LOGIN IN ROLE regress_analyst;
CREATE TABLE feature (id integer PRIMARY KEY, person text, region text);
INSERT INTO feature SELECT n, 'client-' || n % 50, 'eu' FROM generate_series(0, 499) n;
GRANT SELECT ON feature TO regress_app, regress_analyst;
SELECT steward.protect('feature');
SELECT steward.create_row_policy('own', 'feature', 'person = steward.subject()', roles => '{regress_app}');
SELECT steward.create_purpose('training');
SELECT steward.grant_purpose('training', 'regress_app');
SELECT steward.create_row_policy('trained', 'feature', 'true', roles => '{regress_analyst}', purposes => '{training}');
SELECT steward.require_token('regress_app');
});

# ----------------------------------------------------------------------
# The master key and the secrets
# ----------------------------------------------------------------------

ok(!-e $keys, 'no key is made before one is needed');

# ten at once make one key
my @making = map {
	my $i = $_;
	my $pid = fork();
	if ($pid == 0)
	{
		# no exit: it would stop the node
		open(STDOUT, '>', '/dev/null');
		exec('psql', '-qAtX', '-d', $node->connstr('postgres'), '-c',
			"SELECT steward.create_issuer('racer $i', 'https://racer-$i.example', secret => '\\x$hex')");
	}
	$pid;
} 1 .. 10;
waitpid($_, 0) for @making;
is($node->safe_psql('postgres', "SELECT count(*) FROM steward.issuer WHERE name ~ '^racer'"),
	10, 'ten sessions wrap their secrets at once');
my @files = glob("$keys/*");
is_deeply(\@files, [$master], 'and make one key');
is(sprintf('%o', (stat $keys)[2] & 07777), '700', 'the key directory is private');
is(sprintf('%o', (stat $master)[2] & 07777), '600', 'and so is the key');
my $key_text = slurp_file($master);
for my $i (1 .. 10)
{
	my ($ret, $out, $err) = $node->psql('postgres', "BEGIN; SELECT steward.authenticate('"
		  . token('x', undef, '', $secret, "https://racer-$i.example") . "'); COMMIT");
	is($out, 'x', "secret of racer $i opens");
}
$node->safe_psql('postgres', 'SELECT steward.drop_issuer(name) FROM steward.issuer');

$node->safe_psql('postgres',
	"SELECT steward.create_issuer('table', 'https://regress.example', secret => '\\x$hex', attribute_claims => '{region}')");
$node->safe_psql('postgres',
	"SELECT steward.create_issuer('file', 'https://file.regress.example', secret_uri => 'file:regress.secret')");

# Runs SQL as the application; standard output, standard error.
sub as_app
{
	my ($sql, $on) = @_;
	my ($ret, $out, $err) = ($on // $node)->psql('postgres', $sql, extra_params => [ '-U', 'regress_app' ],
		on_error_stop => 0);
	return ($out, $err);
}

sub file_token { return token('client-7', undef, '', $file_secret, 'https://file.regress.example') }

my ($out, $err) = as_app("SELECT steward.authenticate('" . file_token() . "', 'session')");
like($err, qr/secret file ".*regress\.secret" does not exist/, 'a secret file that is missing');
append_to_file("$keys/regress.secret", "$file_secret\n");
chmod 0644, "$keys/regress.secret";
($out, $err) = as_app("SELECT steward.authenticate('" . file_token() . "', 'session')");
like($err, qr/is open to others than the user that runs the server/, 'a secret file that others may read');
chmod 0600, "$keys/regress.secret";
($out, $err) = as_app("SELECT steward.authenticate('" . file_token() . "', 'session'); SELECT count(*) FROM feature");
is($out, "client-7\n10", 'a secret file');
symlink($node->data_dir . '/PG_VERSION', "$keys/link");
$node->safe_psql('postgres',
	"SELECT steward.create_issuer('link', 'https://link.regress.example', secret_uri => 'file:link')");
($out, $err) = as_app("SELECT steward.authenticate('"
	  . token('x', undef, '', "15", 'https://link.regress.example') . "', 'session')");
like($err, qr/could not open key file/, 'a symbolic link is not followed');
unlink "$keys/link";

chmod 0644, $master;
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session')");
like($err, qr/master\.key" is open to others/, 'a key that others may read is not used');
chmod 0600, $master;
chmod 0750, $keys;
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session')");
like($err, qr/pg_steward_keys" is open to others/, 'a directory that others may open is not used');
chmod 0700, $keys;

# another key, a damaged key
rename $master, "$master.kept";
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session')");
like($err, qr/wrapped under another master key/, 'a lost key is told');
unlink $master;
append_to_file($master, substr($key_text, 0, -3) . "\n");
chmod 0600, $master;
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session')");
like($err, qr/master\.key" is damaged/, 'a damaged key is told');
unlink $master;
rename "$master.kept", $master;

# a secret that was moved to another issuer, or altered, does not open
$node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE steward.issuer SET name = 'moved' WHERE name = 'table'");
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session')");
like($err, qr/was altered, or belongs elsewhere/, 'a secret that was moved to another issuer');
$node->safe_psql('postgres', "UPDATE steward.issuer SET name = 'table', secret = set_byte(secret, 25, get_byte(secret, 25) # 1) WHERE name = 'moved'");
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session')");
like($err, qr/was altered, or belongs elsewhere/, 'a secret that was altered');
$node->safe_psql('postgres', "UPDATE steward.issuer SET secret = set_byte(secret, 25, get_byte(secret, 25) # 1) WHERE name = 'table'");
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session'); SELECT count(*) FROM feature");
is($out, "client-7\n10", 'and opens again as it was');

# ----------------------------------------------------------------------
# A dump
# ----------------------------------------------------------------------

my $dump = $node->data_dir . '/../dump.sql';
$node->command_ok([ 'pg_dumpall', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dumpall');
my $dumped = slurp_file($dump);
my ($key_hex) = $key_text =~ /\n([0-9a-f]{64})\n/;
ok(defined $key_hex, 'the key file is as expected');
for my $what ($secret, $hex, uc $hex, encode_base64($secret, ''), encode_base64url($secret),
	$file_secret, unpack('H*', $file_secret), $key_hex, pack('H*', $key_hex), encode_base64(pack('H*', $key_hex), ''))
{
	ok(index($dumped, $what) < 0, 'the dump does not hold a secret');
}
like($dumped, qr/COPY steward\.issuer/, 'though it holds the issuers');

# restored beside the same key, the secrets open
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.custom", '-d', $node->connstr('postgres') ], 'pg_dump');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), "$dump.custom" ], 'pg_restore');
($out, $err) = ('', '');
$node->psql('restored', "SELECT steward.authenticate('" . token('client-7') . "', 'session'); SELECT count(*) FROM feature",
	extra_params => [ '-U', 'regress_app' ], stdout => \$out, stderr => \$err);
is($out, "client-7\n10", 'a token is let in after dump and restore');
$node->safe_psql('postgres', 'DROP DATABASE restored');

# ----------------------------------------------------------------------
# Expiry by the wall clock, at each execution
# ----------------------------------------------------------------------

$node->safe_psql('postgres',
	"SELECT steward.create_issuer('prompt', 'https://prompt.example', secret => '\\x$hex', leeway => '0')");
my $short = token('client-7', int(time()) + 3, '', $secret, 'https://prompt.example');
($out, $err) = as_app(
	qq{SELECT steward.authenticate('$short', 'session');
PREPARE q AS SELECT 'rows ' || count(*) FROM feature;
EXECUTE q; EXECUTE q; EXECUTE q; EXECUTE q; EXECUTE q; EXECUTE q;
BEGIN;
EXECUTE q;
SELECT pg_sleep(3.5);
EXECUTE q;
ROLLBACK;
SELECT steward.subject();
EXECUTE q;
SELECT steward.authenticate('$short', 'session');
RESET ALL;
EXECUTE q;});
is($out, "client-7\n" . "rows 10\n" x 7 . "\nregress_app", 'a token counts until it expires');
is(() = $err =~ /the token of this session no longer counts: it has expired/g, 2, 'and not longer, in the transaction or after it');
like($err, qr/token is refused: it has expired \(claim "exp"\)/, 'nor is it let in again');
like($err, qr/sees governed data only with a token/, 'and none is none');

# a key that another session takes away ends at the next execution
my $in = '';
my $long = IPC::Run::start([ 'psql', '-qAtX', '-U', 'regress_app', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \my $long_out, '2>', \my $long_err, IPC::Run::timer(30));
$in = "BEGIN; SELECT steward.authenticate('"
  . token('client-7', undef, '', $secret, 'https://prompt.example')
  . "'); PREPARE q AS SELECT 'rows ' || count(*) FROM feature; EXECUTE q;\n";
$long->pump until $long_out =~ /rows/;
$node->safe_psql('postgres', "SELECT steward.drop_issuer('prompt')");
$in = "EXECUTE q;\n";
$long->finish;
is($long_out, "client-7\nrows 10\n", 'an issuer that is dropped');
like($long_err, qr/no longer counts: its issuer no longer has the key/, 'takes its sessions with it, inside a transaction');

# ----------------------------------------------------------------------
# Logs and pg_stat_activity
# ----------------------------------------------------------------------

my $shown = token('client-8');
my ($signature) = $shown =~ /([^.]+)$/;
as_app("SELECT steward.authenticate('$shown'), 1/0");
as_app("SELECT steward.authenticate('$shown', 'session'); SELECT 'oops' FROM nowhere;");
as_app("SELECT steward.authenticate('$shown' syntax error");
as_app("PREPARE a(text) AS SELECT steward.authenticate(\$1, 'session'); EXECUTE a('$shown'); EXECUTE a('$shown.x')");
as_app("DO \$\$ BEGIN PERFORM steward.authenticate('$shown'); RAISE EXCEPTION 'x'; END \$\$");
as_app("BEGIN; SELECT steward.authenticate('$shown'); SELECT * FROM no_such_table; SELECT 2; COMMIT");
# by the extended protocol, with the token in the text and as a parameter
append_to_file($node->data_dir . '/../bound.sql', "SELECT steward.authenticate(:t, 'session');\n");
append_to_file($node->data_dir . '/../literal.sql', "SELECT steward.authenticate('$shown', 'session');\n");
for my $mode ('extended', 'prepared', 'simple')
{
	for my $script ('bound', 'literal')
	{
		# :t is $1, or in simple mode a text that needs its quotes
		$node->command_like(
			[ 'pgbench', '-n', '-t', '3', '-M', $mode, '-U', 'regress_app',
				'-D', $mode eq 'simple' ? "t='$shown'" : "t=$shown", '-f', $node->data_dir . "/../$script.sql", 'postgres' ],
			qr/number of transactions actually processed/, "pgbench, $mode, $script");
	}
}
my $log = slurp_file($node->logfile);
ok(index($log, $signature) < 0, 'no token in the server log');
like($log, qr/authenticate\('<token redacted>'/, 'statements are logged without it');
like($log, qr/parameters: .*'<token redacted>'/i, 'and so are parameters');
ok(index($log, $key_hex) < 0, 'no key in the server log');
ok(index($log, $hex) < 0, 'no secret of an issuer in the server log');
like($log, qr/create_issuer\('table'.*secret => '<secret redacted>'/, 'create_issuer() is logged without it');

# in pg_stat_activity: while authenticate() runs, and afterwards
my $busy = IPC::Run::start(
	[ 'psql', '-qAtX', '-U', 'regress_app', '-d', $node->connstr('postgres'), '-c',
		"SELECT steward.authenticate('$shown'), pg_sleep(4)" ], '>', \my $busy_out, '2>', \my $busy_err);
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'regress_app' AND wait_event = 'PgSleep'"),
	'a session that authenticates is seen');
my $seen = $node->safe_psql('postgres', "SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE usename = 'regress_app'");
like($seen, qr/^SELECT steward\.authenticate\('<token redacted>'\), pg_sleep/, 'without its token');
$busy->finish;

# ----------------------------------------------------------------------
# A standby
# ----------------------------------------------------------------------

$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('token_standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
# the copy is not as pg_basebackup makes it
chmod 0700, $standby->data_dir . '/pg_steward_keys';
chmod 0600, glob($standby->data_dir . '/pg_steward_keys/*');
# accesses to audited tables are told to the server log there
$standby->append_conf('postgresql.conf', "steward.standby_reads = 'log'");
$standby->start;
$node->wait_for_catchup($standby);
($out, $err) = as_app("BEGIN; SELECT steward.authenticate('" . token('client-7') . "'); SELECT count(*) FROM feature; COMMIT", $standby);
is($out, "client-7\n10", 'a token is let in on a standby') or diag $err;
($out, $err) = as_app("SELECT count(*) FROM feature", $standby);
like($err, qr/sees governed data only with a token/, 'and needed there');
my $standby_key = $standby->data_dir . '/pg_steward_keys';
rename $standby_key, "$standby_key.away";
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session')", $standby);
like($err, qr/could not find key directory/, 'a standby makes no key directory');
mkdir $standby_key, 0700;
($out, $err) = as_app("SELECT steward.authenticate('" . token('client-7') . "', 'session')", $standby);
like($err, qr/this standby has no master key/, 'nor a key');
ok(!-e "$standby_key/master.key", 'indeed not');
$standby->stop;

# ----------------------------------------------------------------------
# pgbouncer: 50 clients over 5 connections
# ----------------------------------------------------------------------

my ($pgbouncer) = grep { -x $_ } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
SKIP:
{
	skip 'pgbouncer is not installed', 11 unless $pgbouncer;

	my $seconds = $ENV{STEWARD_POOL_SECONDS} // 8;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my $socket = PostgreSQL::Test::Utils::tempdir_short;
	my $host = $node->host;
	my $port = $node->port;
	append_to_file(
		"$dir/pgbouncer.ini", qq{
[databases]
postgres = host=$host port=$port dbname=postgres user=regress_app
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $socket
auth_type = any
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
logfile = $dir/pgbouncer.log
});
	# what was logged until here is not what is asked below
	$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_duration_statement = -1\nlog_min_error_statement = panic\nlog_min_messages = fatal\n");
	$node->reload;
	$node->safe_psql('postgres', "SELECT steward.grant_break_glass('regress_app')");

	my $bouncer = IPC::Run::start([ $pgbouncer, "$dir/pgbouncer.ini" ], '>', "$dir/out", '2>', "$dir/err");
	my @connect = ('-qAtX', '-h', $socket, '-p', $port, '-d', 'postgres', '-U', 'anybody');
	my $up = 0;
	for (1 .. 100)
	{
		last if $up = run_log([ 'psql', @connect, '-c', 'SELECT 1' ], '>', \my $o, '2>', \my $e);
		sleep 0.1;
	}
	ok($up, 'pgbouncer serves');

	# What a client that authenticates does, over and over.  Each line that it
	# prints names who it is, and what it saw.
	my $look = q{SELECT 'saw|' || :'me' || '|' || steward.subject() || '|' || count(*) || '|' || count(*) FILTER (WHERE person <> :'me')
       || '|' || current_user || '|' || coalesce(steward.current_purpose(), '') || '|' || coalesce(steward.attr('region', ''::text), '') FROM feature;};
	append_to_file(
		"$dir/body.sql", qq{
BEGIN; SELECT steward.authenticate(:'token') \\g /dev/null
$look
SELECT pg_sleep(0.002) \\g /dev/null
$look
COMMIT;
-- without BEGIN it ends with the statement
SELECT steward.authenticate(:'token') \\g /dev/null
SELECT 'open|' || :'me' || count(*) FROM feature;
-- several statements in one message
SELECT steward.authenticate(:'token') \\; $look
-- an error, and what comes after it
BEGIN; SELECT steward.authenticate(:'token') \\g /dev/null
SELECT 1/0; SELECT 'after|' || :'me' || count(*) FROM feature; COMMIT;
SELECT 'open|' || :'me' || count(*) FROM feature;
-- savepoints
BEGIN; SELECT steward.authenticate(:'token') \\g /dev/null
SAVEPOINT s; SELECT steward.authenticate(:'bad'); ROLLBACK TO s;
$look
COMMIT;
-- a purpose and a role left behind for others
BEGIN; SELECT steward.authenticate(:'token', purpose => 'training') \\g /dev/null
SELECT 'purpose|' || :'me' || '|' || steward.subject() || '|' || steward.current_purpose();
SET steward.purpose = 'training'; SET ROLE regress_analyst; COMMIT;
-- a token that is refused gives nothing
BEGIN; SELECT steward.authenticate(:'bad'); SELECT 'open|' || :'me' || count(*) FROM feature; ROLLBACK;
});
	append_to_file(
		"$dir/nobody.sql", qq{
SELECT 'open|' || :'me' || count(*) FROM feature;
BEGIN; SELECT 'open|' || :'me' || count(*) FROM feature; ROLLBACK;
SET steward.purpose = 'training';
SET ROLE regress_analyst;
SELECT 'open|' || :'me' || count(*) FROM feature;
SELECT 'subject|' || steward.subject();
RESET ROLE;
COPY feature TO STDOUT;
SELECT 'open|' || :'me' || steward.break_glass('nobody');
});
	# breaks the glass, and leaves it broken on whatever connection that was
	append_to_file(
		"$dir/glass.sql", qq{
BEGIN; SELECT steward.authenticate(:'token') \\g /dev/null
SELECT 'broke|' || :'me' || '|' || (steward.break_glass('of the pool', duration => '1 hour') > now()); COMMIT;
BEGIN; SELECT steward.authenticate(:'token') \\g /dev/null
SELECT 'read|' || :'me' || '|' || steward.subject() || '|' || count(*) FROM feature; COMMIT;
SELECT 'open|' || :'me' || count(*) FROM feature;
SELECT pg_sleep(0.05) \\g /dev/null
});
	# its machine fails in the middle of a transaction, where much is set
	append_to_file(
		"$dir/leaver.sql", qq{
\\i $dir/body.sql
BEGIN; SELECT steward.authenticate(:'token', purpose => 'training') \\g /dev/null
SET steward.purpose = 'training'; SET ROLE regress_analyst; SELECT count(*) FROM feature \\g /dev/null
\\! kill -KILL \$PPID
});
	for my $i (0 .. 49)
	{
		my $body = { 9 => 'nobody.sql', 8 => 'glass.sql', 7 => 'leaver.sql' }->{ $i % 10 } // 'body.sql';
		append_to_file("$dir/client-$i.sql",
			"\\set me client-$i\n\\set token " . token("client-$i", undef, qq{, "region": "r$i"})
			  . "\n\\set bad " . token("client-$i", 1) . "\n" . "\\i $dir/$body\n" x 2000);
	}

	my %clients;
	my $started = 0;
	my $start = sub {
		my ($i) = @_;
		my $n = $started++;
		my $pid = fork();
		if ($pid == 0)
		{
			open(STDOUT, '>>', "$dir/client-$i.out.$n");
			open(STDERR, '>', '/dev/null');
			exec('psql', @connect, '-f', "$dir/client-$i.sql");
		}
		$clients{$pid} = $i;
	};
	$start->($_) for 0 .. 49;
	my $end = time() + $seconds;
	my ($killed, $left) = (0, 0);
	while (time() < $end)
	{
		# who left in mid-transaction comes again
		while ((my $pid = waitpid(-1, WNOHANG)) > 0)
		{
			my $i = delete $clients{$pid};
			next if !defined $i;
			$left++ if $i % 10 == 7;
			$start->($i);
		}
		# somebody's machine fails in the middle of whatever he does
		sleep 0.2;
		my @pids = keys %clients;
		my $pid = $pids[ rand @pids ];
		my $i = delete $clients{$pid};
		kill 'KILL', $pid;
		waitpid($pid, 0);
		$killed++;
		$start->($i);
	}
	my $servers = $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE usename = 'regress_app'");
	# Their pooler gone, the clients end, and write what they still hold.
	$bouncer->signal('INT');
	sleep 0.5;
	$bouncer->kill_kill(grace => 1);
	kill 'TERM', keys %clients;
	waitpid($_, 0) for keys %clients;

	my (@wrong, %saw);
	my ($right, $purposes, $broke, $read_all) = (0, 0, 0, 0);
	for my $file (glob("$dir/client-*.out.*"))
	{
		my ($i) = $file =~ /client-(\d+)\.out/;
		my $me = "client-$i";
		for my $line (split /\n/, slurp_file($file))
		{
			if ($line eq "saw|$me|$me|10|0|regress_app||r$i")
			{
				$right++;
				$saw{$i} = 1;
			}
			elsif ($line eq "purpose|$me|$me|training") { $purposes++; }
			elsif ($line eq "broke|$me|true" && $i % 10 == 8) { $broke++; }
			elsif ($line eq "read|$me|$me|500" && $i % 10 == 8) { $read_all++; $saw{$i} = 1; }
			elsif ($line eq "read|$me|$me|10" && $i % 10 == 8) { }
			elsif ($line =~ /^subject\|regress_(app|analyst)$/ || $line eq $me || $line eq '') { }
			else { push @wrong, "$me: $line"; }
		}
	}
	note "figures: $right statements under an identity, $purposes under a purpose, $broke times the glass was broken, $read_all reads through it, "
	  . ($killed + $left) . " disconnects ($left in mid-transaction), $servers connections";
	is_deeply([ @wrong[ 0 .. ($#wrong > 9 ? 9 : $#wrong) ] ], [], 'no statement ran under another identity, and none without one');
	cmp_ok($right, '>', 100, 'many statements ran');
	cmp_ok($purposes, '>', 20, 'many left a purpose behind');
	cmp_ok(scalar(keys %saw), '>=', 40, 'of nearly all clients');
	cmp_ok($servers, '<=', 5, 'over no more than five connections');
	cmp_ok($killed, '>', 0, 'while clients disconnected');
	cmp_ok($left, '>', 0, 'some in the middle of a transaction');
	cmp_ok($broke, '>', 0, 'some broke the glass and left it broken');
	cmp_ok($read_all, '>', 0, 'and read through it when they met it again');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM steward.break_glass_event
		WHERE subject !~ '^client-.?8$' OR token_issuer IS DISTINCT FROM 'table' OR subject_role <> 'regress_app'}),
		'0', 'the record names who did, and nobody else');
}

$node->stop;
done_testing();
