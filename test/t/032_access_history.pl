# The history against what was: random changes of governance are made, and
# after each, explain_access() and who_can_access() are asked as of that moment
# and answer from what is in force.  Asked again at the end, now from the
# history, they give the same answers for every moment; so they do in a database
# into which a dump was restored, and the restore adds no history.
#
# SEED repeats a run, STEPS changes how many changes are made.
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

my $seed = defined $ENV{SEED} ? srand($ENV{SEED}) : srand();
my $steps = $ENV{STEPS} || 40;
note "SEED=$seed STEPS=$steps";

my $node = steward_server('history');
my $dir = $node->basedir;

sub any_of { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

my @roles = map { "regress_hist_$_" } qw(a b c group);
my @purposes = qw(p1 p2 p3);
my @tables = qw(regress_hist.fact regress_hist.other);

$node->safe_psql('postgres', 'CREATE DATABASE regress_then');
$node->safe_psql('regress_then', qq(
	CREATE EXTENSION pg_steward;
	CREATE ROLE regress_hist_a LOGIN; CREATE ROLE regress_hist_b LOGIN; CREATE ROLE regress_hist_c LOGIN NOINHERIT;
	CREATE ROLE regress_hist_group;
	GRANT regress_hist_group TO regress_hist_b, regress_hist_c;
	CREATE SCHEMA regress_hist;
	CREATE TABLE regress_hist.fact (id int, region text, n int, note varchar(20)) PARTITION BY LIST (region);
	CREATE TABLE regress_hist.part PARTITION OF regress_hist.fact DEFAULT;
	CREATE TABLE regress_hist.other (id int, region text, n int, note varchar(20), twice int GENERATED ALWAYS AS (n * 2) STORED);
	CREATE TABLE regress_hist.consent (id int, ok boolean);
	GRANT USAGE ON SCHEMA regress_hist TO PUBLIC;
	GRANT ALL ON ALL TABLES IN SCHEMA regress_hist TO regress_hist_a, regress_hist_b, regress_hist_c;
	SELECT steward.protect('regress_hist.fact'), steward.protect('regress_hist.other');
	SELECT steward.create_purpose(p) FROM unnest('{p1,p2,p3}'::text[]) p;
	SELECT steward.create_row_policy('base', t, 'n > 2', commands => '{all}') FROM unnest('{regress_hist.fact,regress_hist.other}'::regclass[]) t;
	CREATE TABLE public.regress_question (at timestamptz, relation regclass, role text, purpose text, command text, answer text);
	CREATE TABLE public.regress_sight (at timestamptz, relation regclass, answer text)));

# Answers as one text, errors too.
$node->safe_psql('regress_then', q{
	CREATE FUNCTION public.regress_explained(relation regclass, role text, purpose text, command text, at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RETURN array_to_string(ARRAY(SELECT e::text FROM steward.explain_access(relation, role, purpose, command, at) e WHERE e.kind <> 'history'), E'\n');
	EXCEPTION WHEN OTHERS THEN
		RETURN sqlstate || sqlerrm;
	END $$;
	CREATE FUNCTION public.regress_seen(relation regclass, at timestamptz) RETURNS text LANGUAGE sql
		RETURN array_to_string(ARRAY(SELECT w::text FROM steward.who_can_access(relation, at) w), E'\n')});
my $explained = 'public.regress_explained(q.relation, q.role, q.purpose, q.command, q.at)';
my $seen = 'public.regress_seen(s.relation, s.at)';

sub roles_sql
{
	my %chosen = map { any_of(@roles, 'public') => 1 } 1 .. 1 + int(rand(3));
	return "'{" . join(',', sort keys %chosen) . "}'";
}
sub purposes_sql { return chance(0.5) ? 'NULL' : "'{" . join(',', any_of(@purposes), chance(0.3) ? any_of(@purposes) : ()) . "}'"; }
sub moment_sql { return chance(0.7) ? 'NULL' : any_of("'2001-01-01'", "'2020-02-03'", "'2900-01-01'", "'2950-06-01'"); }
sub expression
{
	my $k = int(rand(10));
	return any_of('true', "n < $k", "n <= steward.attr(''limit'', $k)", "region = ANY (steward.attr(''regions''))",
		"region IN (''north'', ''south'') OR n = $k", "note = ''x'' AND id > 0", 'steward.current_purpose() IS NOT NULL',
		'EXISTS (SELECT FROM regress_hist.consent c WHERE c.id = fact_id AND c.ok)',
		"CURRENT_USER = ''regress_hist_a''", "now() > ''2020-01-01''", "CASE WHEN n > $k THEN region ELSE note END IS NOT NULL");
}

# One random change, as SQL; it may fail.
sub change
{
	my $table = any_of(@tables);
	(my $expression = expression()) =~ s/fact_id/$table eq 'regress_hist.fact' ? 'fact.id' : 'other.id'/e;
	my $policy = any_of(qw(one two three));
	# no two masks have a priority in common, wherever labels bring them together
	my $odd = int(rand(2));
	my $mask = $odd ? 'm1' : 'm2';
	my $purpose = any_of(@purposes);
	my $role = any_of(@roles);
	return any_of(
		sub { "SELECT steward.protect('$table', '" . any_of(qw(enforce enforce enforce observe)) . "')" },
		sub { "SELECT steward.protect('$table')" },
		sub { chance(0.15) ? "SELECT steward.unprotect('$table', 'test')" : "SELECT steward.create_purpose('$purpose')" },
		sub { "SELECT steward.create_purpose('$purpose')" },
		sub { chance(0.5) ? "SELECT steward.drop_purpose('$purpose')" : "DELETE FROM steward.purpose WHERE name = '$purpose'" },
		(sub { "SELECT steward.grant_purpose('$purpose', '" . any_of(@roles, 'public') . "', " . moment_sql() . ', ' . moment_sql() . ')' }) x 3,
		sub { "SELECT steward.revoke_purpose('$purpose', '$role')" },
		sub { "UPDATE steward.purpose_grant SET valid_from = NULL, valid_until = " . moment_sql() },
		sub { "INSERT INTO steward.purpose_grant (purpose, to_role, granted_by) VALUES ('$purpose', '$role', 'test')" },
		(sub { "SELECT steward.set_attribute('$role', '" . any_of("limit', '{" . int(rand(10)) . "}'", "regions', '{north,east}'", "limit', NULL") . ')' }) x 2,
		(sub {
			"SELECT steward.create_row_policy('$policy', '$table', '$expression', " . roles_sql() . ', ' . purposes_sql() . ", '{"
			  . any_of('select', 'all', 'select,update', 'insert', 'delete,select') . "}', " . (chance(0.3) ? "'n > 3'" : 'NULL') . ", '"
			  . any_of(qw(allow allow deny)) . "', " . moment_sql() . ', ' . moment_sql() . ', true)' }) x 6,
		sub { "SELECT steward.drop_row_policy('$policy', '$table')" },
		sub { "DELETE FROM steward.row_policy_role WHERE policy = '$policy' AND role = '$role'::regrole" },
		(sub {
			"SELECT steward.create_mask('$mask', '$table', " . any_of("'region', 'steward.mask_redact(region)'", "'note', 'left(note, 1)'", "'n', 'NULL'", "'n', 'round(n, -1)'")
			  . ', ' . (chance(0.5) ? 'NULL' : roles_sql()) . ', ' . purposes_sql() . ', ' . (chance(0.5) ? 'NULL' : "'id > 3'") . ', ' . (any_of(10, 20, 100) + $odd) . ', true)' }) x 4,
		sub { "SELECT steward.drop_mask('$mask', '$table')" },
		(sub { "SECURITY LABEL FOR steward ON COLUMN $table." . any_of(qw(region note)) . ' IS ' . any_of("'pii'", "'pii, odd'", 'NULL') }) x 2,
		(sub { "SELECT steward.create_tag_mask('$mask', '" . any_of(qw(pii odd)) . "', 'left(value, 2)', " . (chance(0.5) ? 'NULL' : roles_sql()) . ', ' . purposes_sql() . ', ' . (any_of(5, 50) + $odd) . ', true)' }) x 2,
		sub { "SELECT steward.drop_tag_mask('$mask')" },
		sub { "SELECT steward.grant_break_glass('$role', '" . any_of('1 hour', '2 hours') . "')" },
		sub { "SELECT steward.revoke_break_glass('$role')" },
		(sub { "CREATE POLICY own ON $table AS " . any_of('PERMISSIVE', 'RESTRICTIVE') . ' FOR ' . any_of(qw(ALL SELECT UPDATE)) . ' TO ' . any_of(@roles, 'PUBLIC') . ' USING (n < 5)' }) x 2,
		sub { "ALTER POLICY own ON $table USING (id < n)" },
		sub { "DROP POLICY own ON $table" })->();
}

my $script = '';
foreach my $step (1 .. $steps)
{
	my $kind = rand();
	my $change = change();

	if ($kind < 0.1)
	{
		$script .= "BEGIN;\n$change;\nROLLBACK;\n";
	}
	elsif ($kind < 0.25)
	{
		$script .= "BEGIN;\nSAVEPOINT a;\n$change;\nROLLBACK TO a;\n" . change() . ";\nCOMMIT;\n";
	}
	elsif ($kind < 0.4)
	{
		$script .= "BEGIN ISOLATION LEVEL " . any_of('REPEATABLE READ', 'READ COMMITTED') . ";\n$change;\n" . change() . ";\nCOMMIT;\n";
	}
	else
	{
		$script .= "$change;\n";
	}
	$script .= "BEGIN;\nSELECT clock_timestamp() AS at \\gset\n";
	foreach my $table (@tables, 'regress_hist.part')
	{
		# some of all questions, others each time
		my $names = join(',', @roles);
		$script .= <<"END";
INSERT INTO public.regress_question
SELECT q.*, $explained FROM (
    SELECT :'at'::timestamptz AS at, '$table'::regclass AS relation, r AS role, p AS purpose, c AS command
    FROM unnest('{$names}'::text[]) r, (SELECT name FROM steward.purpose UNION ALL SELECT '') p (p), unnest('{select,insert,update,delete}'::text[]) c
    ORDER BY hashtext(:'at' || '$table' || r || p || c) LIMIT 6) q;
INSERT INTO public.regress_sight
SELECT s.*, $seen FROM (SELECT :'at'::timestamptz AS at, '$table'::regclass AS relation) s WHERE hashtext(:'at' || '$table') % 3 = 0;
END
	}
	$script .= "COMMIT;\n";
}
# Of a permissive policy of users whose name sorts before that of its net, a
# restore makes the net twice.
$script .= "DROP POLICY IF EXISTS own ON $_;\nCREATE POLICY own ON $_ USING (n < 5);\n" foreach @tables;
my ($rc, $out, $err) = $node->psql('regress_then', $script, on_error_stop => 0);
unlike($err, qr/server closed|internal error|XX000|panic|could not/i, 'changes fail for good reasons only');
my $asked = $node->safe_psql('regress_then', 'SELECT count(*), count(DISTINCT at) FROM public.regress_question');
note "asked: $asked; changes that failed: " . scalar(() = $err =~ /ERROR:/g);
cmp_ok((split /\|/, $asked)[1], '>', $steps * 0.8, 'most moments were asked about');
cmp_ok($node->safe_psql('regress_then', 'SELECT count(DISTINCT answer) FROM public.regress_question'), '>', $steps, 'the answers differ');

# What differs between the answers then and those of the history.
sub differences
{
	my ($db) = @_;

	return $node->safe_psql($db, qq(
		SET client_min_messages = warning;
		SELECT q.at, q.relation, q.role, q.purpose, q.command, E'\\nthen: ' || q.answer, E'\\nnow: ' || h.answer
		FROM public.regress_question q, LATERAL (SELECT $explained AS answer) h WHERE h.answer IS DISTINCT FROM q.answer ORDER BY 1 LIMIT 3;
		SELECT s.at, s.relation, E'\\nthen: ' || s.answer, E'\\nnow: ' || h.answer
		FROM public.regress_sight s, LATERAL (SELECT $seen AS answer) h WHERE h.answer IS DISTINCT FROM s.answer ORDER BY 1 LIMIT 3));
}
is(differences('regress_then'), '', 'the history answers for every moment as was answered then');

# And it is not that nothing is compared.
cmp_ok($node->safe_psql('regress_then', qq(
	SET client_min_messages = warning;
	SELECT count(*) FROM public.regress_question q, LATERAL (SELECT $explained AS answer) h
	WHERE q.at = (SELECT min(at) FROM public.regress_question)
	  AND h.answer = (SELECT o.answer FROM public.regress_question o WHERE (o.relation, o.role, o.purpose, o.command) = (q.relation, q.role, q.purpose, q.command) AND o.at > q.at ORDER BY o.at DESC LIMIT 1))),
	'<', 6 * @tables + 6, 'moments differ');

# A restore brings the history, and adds none.
my $history = 'SELECT to_jsonb(h) - \'relation\' FROM steward.policy_history() h';
my $before = $node->safe_psql('regress_then', $history);
foreach my $format (qw(plain custom))
{
	my $db = "regress_$format";

	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$node->command_ok([ 'pg_dump', '--enable-row-security', '-F', $format, '-f', "$dir/dump_$format", '-d', $node->connstr('regress_then') ], "pg_dump: $format");
	$node->command_ok(
		$format eq 'plain' ?
		  [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-f', "$dir/dump_$format" ] :
		  [ 'pg_restore', '--enable-row-security', '--exit-on-error', '-d', $node->connstr($db), "$dir/dump_$format" ],
		"restore: $format");
	same_lines($node->safe_psql($db, $history), $before, "$format: the history is as it was");
	is(differences($db), '', "$format: it answers as was answered then");
}

$node->stop;
done_testing();
