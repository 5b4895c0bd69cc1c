# A restore leaves dropped columns out and numbers the others anew: masks, their
# priorities, documents and tests of policies go by the columns that they are
# about, not by the numbers that these had.
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

my $node = steward_server('renumbered');
my $dump = $node->basedir . '/dump';

$node->safe_psql('postgres', 'CREATE DATABASE regress_before');
$node->safe_psql('postgres', 'CREATE DATABASE regress_after TEMPLATE template0');
$node->safe_psql('regress_before', q(
	CREATE EXTENSION pg_steward;
	CREATE ROLE regress_reader;
	CREATE TABLE t (gone int, a text, gone_too int, b text, c text, d text) PARTITION BY LIST (a);
	CREATE TABLE p PARTITION OF t DEFAULT;
	ALTER TABLE t DROP COLUMN gone, DROP COLUMN gone_too;
	INSERT INTO t VALUES ('a', 'b', 'c', 'd');
	GRANT SELECT ON t TO regress_reader;
	SELECT steward.protect('t'), steward.create_row_policy('all', 't', 'true');
	SELECT steward.create_mask('on_' || x, 't', x, format('%L || %I', x || ' masked ', 'a'), priority => 10) FROM unnest('{b,c}'::text[]) x;
	SELECT steward.create_tag_mask('by_tag', 'secret', '''tagged''', priority => 50);
	SECURITY LABEL FOR steward ON COLUMN t.d IS 'secret';
	SELECT count(*) FROM steward.apply_policies(steward.export_policies() || jsonb_build_object('tests', jsonb_build_array(
		jsonb_build_object('name', 'a', 'role', 'regress_reader', 'relation', 'public.t', 'column_name', 'a', 'masked', false),
		jsonb_build_object('name', 'c', 'role', 'regress_reader', 'relation', 'public.t', 'column_name', 'c', 'masked', true))))));
my @questions = ('SELECT steward.export_policies()', 'SELECT test, ok, found FROM steward.run_policy_tests()',
	'SET ROLE regress_reader; SELECT * FROM t', "SELECT name, steward.masked_column(relation, name) = a.attnum FROM steward.column_mask
	JOIN pg_attribute a ON a.attrelid = relation AND 'on_' || a.attname = name ORDER BY 1",
	"SELECT action, kind, name FROM steward.plan_policies(steward.export_policies())");
my @before = map { $node->safe_psql('regress_before', $_) } @questions;
is($before[2], 'a|b masked a|c masked a|tagged', 'masks');
is($before[1], "a|t|not masked\nc|t|masked", 'tests of policies');

$node->command_ok([ 'pg_dump', '--enable-row-security', '-Fc', '-f', $dump, '-d', $node->connstr('regress_before') ], 'dump');
$node->command_ok([ 'pg_restore', '--enable-row-security', '--exit-on-error', '-d', $node->connstr('regress_after'), $dump ], 'restore');
is($node->safe_psql('regress_after', "SELECT string_agg(attnum::text, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0"),
	'1,2,3,4', 'columns have other numbers');
is($node->safe_psql('regress_after', $questions[$_]), $before[$_], "the same: $questions[$_]") foreach 0 .. $#questions;

# equal priorities are told by columns, not by old numbers
$node->safe_psql('regress_after', q(SELECT steward.adopt('restored for the test')));
fails_like($node, 'regress_after', "SELECT steward.create_mask('more', 't', 'c', '''x''', priority => 10)",
	[qr/mask "on_c" on column "c" has priority 10 already/], 'a priority that is taken');
fails_like($node, 'regress_after', "SELECT steward.create_tag_mask('more', 'secret', '''x''', priority => 50)", [qr/has priority 50 already/], 'by a tag');
$node->safe_psql('regress_after', q(SECURITY LABEL FOR steward ON COLUMN t.b IS 'other'));
fails_like($node, 'regress_after', "SELECT steward.create_tag_mask('more', 'other', '''x''', priority => 10)",
	[qr/mask "on_b" on column "b" of table "public\.t" has priority 10 already/], 'by another tag');
$node->safe_psql('regress_after', "SELECT steward.create_mask('on_$_', 't', '$_', '''x''', priority => 10)") foreach qw(a d);
is($node->safe_psql('regress_after', 'SET ROLE regress_reader; SELECT * FROM t'), 'x|b masked a|c masked a|x', 'priorities that are free');
is($node->safe_psql('regress_after', 'SELECT name, attnum FROM steward.column_mask ORDER BY 2'), "on_a|1\non_b|2\non_c|3\non_d|4", 'and the numbers are right again');

# what leaves its parent takes its masks along
$node->safe_psql('regress_after', 'ALTER TABLE t DETACH PARTITION p; GRANT SELECT ON p TO regress_reader');
is($node->safe_psql('regress_after', 'SET ROLE regress_reader; SELECT * FROM p'), 'x|b masked a|c masked a|x', 'a partition that was detached');

$node->stop;
done_testing();
