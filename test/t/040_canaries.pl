# A short run of the canary test (test/fuzz): random statements find no canary,
# and find one where a path is switched off.
#
# The statements are the same in every run.  SEED chooses others, SECONDS lets
# them run for a time instead of counting them.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{SEED} // 3;
my @length = $ENV{SECONDS} ? ('--seconds', $ENV{SECONDS}) : ('--statements', $ENV{STEWARD_SHORT} ? 1000 : 3000);
my $run = dirname(__FILE__) . '/../fuzz/run';

# Runs test/fuzz/run; its output is shown where it fails.
sub fuzz
{
	my ($name, @options) = @_;
	my $out;

	local $ENV{OUT} = $PostgreSQL::Test::Utils::tmp_check . '/fuzz';
	my $ok = IPC::Run::run([ $run, '--seed', $seed, @length, @options ], '>&', \$out);
	ok($ok, "$name (SEED=$seed)") or diag $out;
	note $out;
	return $out;
}

my $said = fuzz('no canary is seen');
my ($statements, $succeeded) = $said =~ /^all +(\d+) +(\d+)/m;
my $theirs = 0;
$theirs += $1 while $said =~ /^sqlsmith.*? (\d+) +\d+ +\d+$/mg;
cmp_ok($statements // 0, '>', 0, 'statements ran');
note sprintf('figures: %d statements ran (%d of sqlsmith), %d succeeded, none showed what is hidden',
	$statements // 0, $theirs, $succeeded // 0);

# These are found soon, whatever the seed is; ./dev fuzz --broken takes all.
my @broken = qw(whole-row returning row-predicates);
$said = fuzz('broken paths are found', '--broken', join(',', @broken));
is(() = $said =~ /^found /mg, scalar @broken, 'each of them');
note "figures: $1" while $said =~ /^(found .*)/mg;

done_testing();
