# The change log: the order of changes by overlapping and by prepared
# transactions, and what a crash leaves.
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

my $node = steward_server('changes');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_steward');

sub flush { return $node->safe_psql('postgres', 'SELECT steward.flush()'); }

# The purposes that a query of the change log names, in its order.
sub changed
{
	flush();
	return $node->safe_psql('postgres',
		q(SELECT string_agg(object_name, ' ' ORDER BY seq) FROM steward.change_log WHERE object_kind = 'purpose' AND object_name ~ '^) . $_[0] . q('));
}

# What began after something else had committed comes later, though a
# transaction that began before both is open all the while.
my @sessions = map { BackgroundPsql->new($node) } 1 .. 3;
$sessions[0]->query(q(BEGIN; SELECT steward.create_purpose('order-open')));
$sessions[1]->query(q(BEGIN; SELECT steward.create_purpose('order-a')));
$sessions[1]->query('COMMIT');
flush();
$sessions[2]->query(q(BEGIN; SELECT steward.create_purpose('order-b'); COMMIT));
is(changed('order'), 'order-a order-b', 'changes stand in the order of their commits; what is open is not there');
$sessions[0]->query('COMMIT');
is(changed('order'), 'order-a order-b order-open', '... and comes when it commits');
$_->quit foreach @sessions;

# Many sessions; each commits, tells so, and only then does the next begin.
my @names = map { sprintf('relay-%02d', $_) } 1 .. 20;
my @runners = map { BackgroundPsql->new($node) } 1 .. 4;
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '4', '-T', '8', '-f', make_script(), '-d', $node->connstr('postgres') ],
	'>', \my $out, '2>', \my $err);
foreach my $i (0 .. $#names)
{
	$runners[ $i % 4 ]->query("SELECT steward.create_purpose('$names[$i]')");
}
$load->finish;
$_->quit foreach @runners;
is(changed('relay'), join(' ', @names), 'in order among the changes of others');
is( $node->safe_psql('postgres', 'SELECT count(*) = max(seq) + 1 FROM steward.change_log'),
	't', 'no number is missing');
is( $node->safe_psql('postgres',
		q(SELECT count(*) FROM steward.change_log l WHERE action = 'insert' AND object_name ~ '^load-' AND object_kind = 'purpose')),
	$node->safe_psql('postgres', q(SELECT count(*) FROM steward.purpose WHERE name ~ '^load-')),
	'every committed change is there once, and no other');

sub make_script
{
	my $file = $PostgreSQL::Test::Utils::tmp_check . '/load.sql';

	PostgreSQL::Test::Utils::append_to_file($file, <<'END');
\set n random(1, 1000000000)
BEGIN;
SELECT steward.create_purpose('load-' || :n || '-' || :client_id);
\if :n % 3 = 0
ROLLBACK;
\else
COMMIT;
\endif
END
	return $file;
}

# Prepared transactions: committed by another session, also after a restart.
$node->safe_psql('postgres', q(BEGIN; SELECT steward.create_purpose('two-phase-a'); PREPARE TRANSACTION 'regress_a'));
$node->safe_psql('postgres', q(BEGIN; SELECT steward.create_purpose('two-phase-b'); PREPARE TRANSACTION 'regress_b'));
$node->safe_psql('postgres', q(BEGIN; SELECT steward.create_purpose('two-phase-c'); PREPARE TRANSACTION 'regress_c'));
is(changed('two-phase'), '', 'what is prepared is not in the log');
$node->safe_psql('postgres', q(COMMIT PREPARED 'regress_b'));
$node->safe_psql('postgres', q(SELECT steward.create_purpose('two-phase-later')));
is(changed('two-phase'), 'two-phase-b two-phase-later', 'COMMIT PREPARED brings it, before what began afterwards');
$node->safe_psql('postgres', q(ROLLBACK PREPARED 'regress_c'));
$node->restart;
$node->safe_psql('postgres', q(COMMIT PREPARED 'regress_a'));
is(changed('two-phase'), 'two-phase-b two-phase-later two-phase-a', '... also after a restart; ROLLBACK PREPARED brings nothing');

# A crash: the outbox is a table.
$node->safe_psql('postgres', q(SELECT steward.create_purpose('crash')));
$node->stop('immediate');
$node->start;
is(changed('crash'), 'crash', 'a change outlives a crash of the server');

$node->stop;
done_testing();

# A psql session that stays open: 15 has none in its test modules.
package BackgroundPsql;

sub new
{
	my ($class, $node) = @_;
	my $self = bless { in => '', out => '', n => 0 }, $class;

	$self->{timer} = IPC::Run::timer(180);
	$self->{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr('postgres') ],
		'<', \$self->{in}, '>', \$self->{out}, '2>&1', $self->{timer});
	return $self;
}

# Runs statements and returns what they print, when they have ended.
sub query
{
	my ($self, $sql) = @_;
	my $end = 'end of query ' . ++$self->{n};

	$self->{timer}->start(180);
	$self->{in} .= "$sql;\n\\echo $end\n";
	$self->{run}->pump until $self->{out} =~ s/(.*?)\Q$end\E\n//s;
	return $1;
}

sub quit
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	$self->{run}->finish;
	return;
}
