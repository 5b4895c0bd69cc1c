# The workers of the audit start by themselves, and stand in nobody's way.
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
use Time::HiRes qw(time sleep);

my $node = steward_server('workers', preload => 'pg_steward, ' . steward_module('steward_test'));
$node->append_conf('postgresql.conf', 'max_worker_processes = 16');
$node->restart;

my $workers = sub {
	my ($db, $type) = @_;
	return $node->safe_psql('postgres',
		qq(SELECT count(*) FROM pg_stat_activity WHERE datname = '$db' AND backend_type = 'pg_steward $type'));
};
my $writer_runs = sub {
	my ($db, $name) = @_;
	ok($node->poll_query_until('postgres',
		qq(SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = '$db' AND backend_type = 'pg_steward writer')), $name);
};
my $nobody_runs = sub {
	my ($db, $name) = @_;
	ok($node->poll_query_until('postgres',
		qq(SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '$db' AND backend_type ~ '^pg_steward')), $name);
};
# How long a statement takes; core itself would wait 5 s for the workers.
my $quickly = sub {
	my ($db, $statement, $name) = @_;
	my $start = time;
	my ($status, $out, $err) = $node->psql($db, $statement);
	is($status, 0, $name) or diag($err);
	cmp_ok(time - $start, '<', 4.5, "$name: at once");
};

is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_steward launcher')),
	'1', 'the launcher runs');
$node->safe_psql('postgres', 'CREATE DATABASE regress_none');
is($workers->('regress_none', 'writer'), '0', 'no writer where the extension is not created');

# Several databases at once; also after a restart.
audit_database($node, $_) foreach qw(regress_one regress_two);
$writer_runs->($_, "the writer of $_ starts with the extension") foreach qw(regress_one regress_two);
$node->restart;
$writer_runs->($_, "... and after a restart") foreach qw(regress_one regress_two);
foreach my $db (qw(regress_one regress_two))
{
	$node->safe_psql($db, q(SELECT regress_put(i, i) FROM generate_series(1, 1000) i; SELECT steward.flush()));
	is($node->safe_psql($db, 'SELECT count(*), min(seq), max(seq), count(DISTINCT number) FROM steward.regress_queue'),
		'1000|0|999|1000', "records of $db stand in its log");
	is($node->safe_psql($db, 'SELECT state, reason, queue_depth, waiting_sessions, set_aside, overflowed, written >= 1000, last_error FROM steward.status'),
		'active||0|0|0|0|t|', "status of $db");
}

# Rolled back: nothing starts, nothing stays.
$node->safe_psql('regress_none', 'BEGIN; CREATE EXTENSION pg_steward; ROLLBACK');
is($workers->('regress_none', 'writer'), '0', 'a CREATE EXTENSION that is rolled back starts no writer');
is($node->safe_psql('regress_none', q(BEGIN; CREATE EXTENSION pg_steward; SELECT state FROM steward.status; ROLLBACK)),
	'absent', 'auditing starts when the creating transaction commits');

# DROP EXTENSION
my $drop = 'DROP TABLE steward.regress_queue CASCADE; DROP EXTENSION pg_steward';
$quickly->('regress_two', "BEGIN; $drop; ROLLBACK", 'DROP EXTENSION, rolled back');
$writer_runs->('regress_two', '... the writer comes back');
is($node->safe_psql('regress_two', q(BEGIN; SAVEPOINT a; DROP EXTENSION pg_steward CASCADE; ROLLBACK TO a;
	SELECT regress_put(1, 2000, durable => true) > 0; COMMIT)), 't', '... also after ROLLBACK TO');
$quickly->('regress_two', $drop, 'DROP EXTENSION');
$nobody_runs->('regress_two', '... the workers are gone');
audit_database($node, 'regress_three');
$node->safe_psql('regress_two', 'CREATE EXTENSION pg_steward');
$writer_runs->('regress_two', '... and come back with the extension');
$node->safe_psql('postgres', 'CREATE ROLE regress_super SUPERUSER');
$node->safe_psql('regress_two', 'DROP EXTENSION pg_steward; SET ROLE regress_super; CREATE EXTENSION pg_steward');
$writer_runs->('regress_two', 'the extension has another owner');
$quickly->('regress_two', 'DROP OWNED BY regress_super CASCADE', 'DROP OWNED that takes the extension along');
$nobody_runs->('regress_two', '... the workers are gone');

# ALTER DATABASE, CREATE DATABASE … TEMPLATE, DROP DATABASE
$writer_runs->('regress_three', 'a third database');
$quickly->('postgres', 'ALTER DATABASE regress_three RENAME TO regress_four', 'ALTER DATABASE … RENAME');
$writer_runs->('regress_four', '... the writer comes back');
fails_like($node, 'postgres', 'ALTER DATABASE regress_four RENAME TO regress_one', [qr/already exists/], 'RENAME that fails');
$writer_runs->('regress_four', '... the writer comes back');
my $space = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE regress_space LOCATION '$space'");
$quickly->('postgres', 'ALTER DATABASE regress_four SET TABLESPACE regress_space', 'ALTER DATABASE … SET TABLESPACE');
$writer_runs->('regress_four', '... the writer comes back');
$node->safe_psql('regress_four', 'SELECT regress_put(1, 1, durable => true)');
$quickly->('postgres', 'CREATE DATABASE regress_copy TEMPLATE regress_four', 'CREATE DATABASE … TEMPLATE');
$writer_runs->('regress_four', '... the writer of the template comes back');
is($node->safe_psql('regress_copy', 'SELECT state, reason FROM steward.status'),
	'dormant|the logs belong to another cluster or database, or to a later state of this one; adopt(reason) begins new ones', 'the copy is dormant');
$node->safe_psql('regress_copy', q(SELECT steward.adopt('a copy for tests')));
is($node->safe_psql('regress_copy', 'SELECT state FROM steward.status'), 'active', '... until it is adopted');
$node->safe_psql('regress_copy', 'SELECT regress_put(1, 2, durable => true)');
is($node->safe_psql('regress_copy', 'SELECT string_agg(seq::text, chr(44) ORDER BY seq) FROM steward.regress_queue'),
	'0,1', '... and goes on with its log');
is($node->safe_psql('regress_copy', 'SELECT count(DISTINCT id), count(*) FROM steward.installation'), '2|2', '... as another installation');

# Nobody stops the workers of a database that is not his.
$node->safe_psql('postgres', 'CREATE ROLE regress_nobody LOGIN CREATEDB');
my $pid = $node->safe_psql('regress_four', 'SELECT writer_pid FROM steward.status');
foreach my $statement ('DROP DATABASE regress_four', 'ALTER DATABASE regress_four RENAME TO regress_five',
	'CREATE DATABASE regress_five TEMPLATE regress_four', 'ALTER DATABASE regress_four SET TABLESPACE pg_default')
{
	fails_like($node, 'postgres', "SET ROLE regress_nobody; $statement", [qr/must be owner|permission denied/], $statement);
}
is($node->safe_psql('regress_four', 'SELECT writer_pid FROM steward.status'), $pid, '... and the writer was left alone');

$quickly->('postgres', 'DROP DATABASE regress_copy', 'DROP DATABASE');
$node->safe_psql('postgres', 'ALTER DATABASE regress_four OWNER TO regress_nobody');
$quickly->('postgres', 'SET ROLE regress_nobody; DROP DATABASE regress_four WITH (FORCE)',
	'DROP DATABASE … FORCE by an owner who is no superuser');

# The slot of a dropped database is free again: more databases than slots, one after the other.
foreach my $i (1 .. 10)
{
	audit_database($node, 'regress_next');
	$node->safe_psql('regress_next', q(SELECT regress_put(1, 1, durable => true)));
	$node->safe_psql('postgres', 'DROP DATABASE regress_next');
}

# The keeper ships checkpoints; the writer does not wait for that.
my $shipped = PostgreSQL::Test::Utils::tempdir();
$node->append_conf('postgresql.conf', "steward.checkpoint_interval = 1s\nsteward.checkpoint_command = 'exit 3'");
$node->reload;
$node->safe_psql('regress_one', q(SELECT regress_put(1, 5000, durable => true)));
ok($node->poll_query_until('regress_one', q(SELECT last_error ~ 'checkpoint_command failed with exit code 3' FROM steward.status)),
	'a checkpoint command that fails is shown');
$node->append_conf('postgresql.conf', "steward.checkpoint_command = 'cat %p >> $shipped/%l'");
$node->reload;
$node->safe_psql('regress_one', q(SELECT regress_put(1, 5001, durable => true)));
ok($node->poll_query_until('regress_one', q(SELECT count(*) = 1 FROM steward.checkpoint_shipment s
	WHERE s.size = (SELECT count(*) FROM steward.regress_queue) AND s.log = 210)), '... and run again');
is(() = PostgreSQL::Test::Utils::slurp_file("$shipped/regress_queue") =~ m{/regress_queue\n\d+\n}g,
	$node->safe_psql('regress_one', 'SELECT count(*) FROM steward.checkpoint_record WHERE log = 210'), 'every checkpoint was shipped once');

is($workers->('regress_one', 'writer'), '1', 'the first writer was never disturbed');
$node->stop;

# More databases than slots.
$node->append_conf('postgresql.conf', 'steward.max_databases = 1');
$node->start;
$writer_runs->('regress_one', 'one queue is enough for one database');
audit_database($node, 'regress_more');
fails_like($node, 'regress_more', 'SELECT regress_put(1, 1)',
	[ qr/ERROR:  no audit queue is free for this database/, qr/HINT:  Raise steward.max_databases/ ], 'no queue is free');
$node->safe_psql('regress_one', $drop);
$node->safe_psql('regress_more', 'SELECT regress_put(1, 1, durable => true)');
ok(1, '... until another database gives up its own');
$node->stop;

done_testing();
