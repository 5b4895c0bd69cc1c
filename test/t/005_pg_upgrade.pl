# pg_upgrade keeps all governance data, and it is enforced.
#
# OLD_SERVER names a folder with an older server and pg_steward in it, as
# ./dev matrix brings one: root/usr/lib/postgresql/NN, and in missing/ the
# libraries that this machine lacks.
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

my $place = $ENV{OLD_SERVER}
  or plan skip_all => 'OLD_SERVER is not set; ./dev matrix sets it';

my ($install) = glob("$place/root/usr/lib/postgresql/*");
$ENV{LD_LIBRARY_PATH} = "$place/missing";

my $old = steward_server('old', install_path => $install);
my $old_version = $old->safe_psql('postgres', q(SELECT current_setting('server_version_num')::int / 10000));
$old->safe_psql('postgres', 'CREATE DATABASE regress_upgraded');
load_governance($old, 'regress_upgraded');
$old->safe_psql('postgres', q(CREATE ROLE regress_admin LOGIN; GRANT steward_admin TO regress_admin));
my $before = answers($old, 'regress_upgraded');
my $history = history_of($old, 'regress_upgraded');
like($before, qr/analyst, scoring\n10\|8500\n/, "PostgreSQL $old_version enforces the policies");
$old->stop;

my $new = steward_server('new');
my $new_version = $new->safe_psql('postgres', q(SELECT current_setting('server_version_num')::int / 10000));
$new->stop;

chdir $PostgreSQL::Test::Utils::tmp_check or die;
command_ok(
	[
		'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'),
		'-s', $new->host, '-p', $old->port, '-P', $new->port
	],
	"pg_upgrade from $old_version to $new_version");
$new->start;

same_lines(answers($new, 'regress_upgraded'), $before, 'all data is there and enforced');
same_lines(history_of($new, 'regress_upgraded'), $history, '... with its history');
is($new->safe_psql('postgres', q(SELECT count(*) FROM pg_shseclabel WHERE provider = 'steward')), '7', 'the roles are still ours');
is($new->safe_psql('postgres', q(SELECT pg_has_role('regress_admin', 'steward_admin', 'member'))), 't', '... with their members');

# What was upgraded can be worked with.
$new->safe_psql('regress_upgraded', q(
	SET ROLE regress_admin;
	SELECT steward.drop_row_policy('not the south', 'regress_store.credit');
	SELECT steward.create_row_policy('more', 'regress_store.credit', 'id = 30', roles => '{regress_analyst}');));
is($new->safe_psql('regress_upgraded',
		q(SET ROLE regress_analyst; SET steward.purpose = 'regress-scoring'; SELECT count(*) FROM regress_store.credit)),
	'16', 'policies can be changed');
$new->safe_psql('postgres', 'CREATE EXTENSION pg_steward');
same_lines(catalog_of($new, 'regress_upgraded'), catalog_of($new, 'postgres'), 'the objects equal those of a fresh install');

done_testing();
