# COPY of governed tables: files, programs, binary, \copy, foreign partitions,
# and in how much memory.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('copy');
$node->init;
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'pg_steward'
shared_buffers = '1MB'
wal_buffers = '64kB'
work_mem = '64kB'
});
$node->start;

my $dir = PostgreSQL::Test::Utils::tempdir;
chmod 0755, $dir;

$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_steward;
CREATE ROLE regress_loader;
GRANT pg_read_server_files, pg_write_server_files, pg_execute_server_program TO regress_loader;
CREATE TABLE reading (id integer, region text, note text);
CREATE TABLE bare (id integer, region text, note text);
GRANT SELECT, INSERT ON reading, bare TO regress_loader;
SELECT steward.protect('reading');
SELECT steward.create_row_policy('load', 'reading', 'region = ''eu''',
    roles => '{regress_loader}', commands => '{select,insert}');
INSERT INTO bare VALUES (1, 'eu', 'a'), (2, 'cn', 'secret'), (3, 'eu', 'b');
});

# Runs SQL as the loader; returns what psql returns.
sub as_loader
{
	my ($sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "SET ROLE regress_loader;\n$sql");
	return ($ret, $out, $err);
}

sub loads
{
	my ($sql, $rows, $name) = @_;
	$node->safe_psql('postgres', 'TRUNCATE reading');
	my ($ret, $out, $err) = as_loader($sql);
	is($ret, 0, "$name: loads") or diag $err;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM reading'), $rows, "$name: rows");
	return;
}

sub refuses
{
	my ($sql, $line, $name) = @_;
	$node->safe_psql('postgres', 'TRUNCATE reading');
	my ($ret, $out, $err) = as_loader($sql);
	like($err, qr/row in line $line is not allowed by the row policies of table "reading"/,
		"$name: names the line");
	unlike($err, qr/secret/, "$name: does not show the line");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM reading'), 0, "$name: loads nothing");
	return;
}

# ----------------------------------------------------------------------
# Files and programs, in all formats
# ----------------------------------------------------------------------

for my $format ('text', 'csv', 'binary')
{
	$node->safe_psql(
		'postgres', qq{
COPY bare TO '$dir/all.$format' (FORMAT $format);
COPY (SELECT * FROM bare WHERE region = 'eu') TO '$dir/eu.$format' (FORMAT $format);
});
	loads("COPY reading FROM '$dir/eu.$format' (FORMAT $format)", 2, "file, $format");
	refuses("COPY reading FROM '$dir/all.$format' (FORMAT $format)", 2, "file, $format");
	loads("COPY reading FROM PROGRAM 'cat $dir/eu.$format' (FORMAT $format)", 2, "program, $format");
	refuses("COPY reading FROM PROGRAM 'cat $dir/all.$format' (FORMAT $format)", 2,
		"program, $format");
	loads("\\copy reading FROM '$dir/eu.$format' (FORMAT $format)", 2, "\\copy, $format");
	refuses("\\copy reading FROM '$dir/all.$format' (FORMAT $format)", 2, "\\copy, $format");

	# out again: only what may be seen
	$node->safe_psql('postgres', 'TRUNCATE reading; INSERT INTO reading SELECT * FROM bare');
	as_loader("COPY reading TO '$dir/out.$format' (FORMAT $format)");
	is(slurp_file("$dir/out.$format"), slurp_file("$dir/eu.$format"), "COPY TO file, $format");
	as_loader("COPY reading TO PROGRAM 'cat > $dir/out.$format' (FORMAT $format)");
	is(slurp_file("$dir/out.$format"), slurp_file("$dir/eu.$format"), "COPY TO program, $format");
	as_loader("\\copy reading TO '$dir/out.$format' (FORMAT $format)");
	is(slurp_file("$dir/out.$format"), slurp_file("$dir/eu.$format"), "\\copy TO, $format");
}

my ($ret, $out, $err) = as_loader("COPY reading FROM PROGRAM 'exit 3'");
like($err, qr/program "exit 3" failed/, 'a program that fails');
($ret, $out, $err) = as_loader("COPY reading FROM '$dir/nothing'");
like($err, qr/could not open file/, 'a file that is not there');
($ret, $out, $err) = as_loader("COPY reading FROM '$dir/eu.text' (FORMAT binary)");
like($err, qr/COPY file signature not recognized/, 'a file of another format');

# without the right to use files, whatever the policies
$node->safe_psql('postgres',
	'CREATE ROLE regress_plain; GRANT INSERT, SELECT ON reading TO regress_plain');
for my $source ("FROM '$dir/eu.text'", "FROM PROGRAM 'true'", "TO '$dir/out'", "TO PROGRAM 'cat'")
{
	($ret, $out, $err) = $node->psql('postgres', "SET ROLE regress_plain; COPY reading $source");
	like($err, qr/pg_(read|write)_server_files|pg_execute_server_program/, "COPY $source needs a right");
}

# encodings pass through
append_to_file("$dir/latin1", "1\teu\t\xe9\n");
loads("COPY reading FROM '$dir/latin1' (ENCODING 'latin1')", 1, 'encoding');
is($node->safe_psql('postgres', 'SELECT ascii(note) FROM reading'), 233, 'encoding: converted');

# FREEZE, of a table that this transaction emptied
$node->safe_psql('postgres', 'GRANT TRUNCATE ON reading TO regress_loader');
($ret, $out, $err) = as_loader("COPY reading FROM '$dir/eu.text' (FREEZE)");
like($err, qr/cannot perform COPY FREEZE because/, 'FREEZE is refused as ever');

# ----------------------------------------------------------------------
# What has been loaded is visible to nobody else before the end, and a load
# that is cancelled leaves nothing behind
# ----------------------------------------------------------------------

($ret, $out, $err) = as_loader(
	"SET statement_timeout = '300ms'; COPY reading FROM PROGRAM 'cat $dir/eu.text; sleep 5'");
like($err, qr/canceling statement due to statement timeout/, 'a load is cancelled');
is($node->safe_psql('postgres', 'SELECT count(*) FROM reading'), 1, 'and leaves nothing');

# two loads within one, by a trigger: each refusal names its own line
$node->safe_psql(
	'postgres', qq{
CREATE TABLE outside (id integer);
GRANT INSERT, SELECT ON outside TO regress_loader;
SELECT steward.protect('outside');
SELECT steward.create_row_policy('load', 'outside',
    'id IN (SELECT b.id FROM public.bare b)', roles => '{regress_loader}', commands => '{select,insert}');
CREATE FUNCTION load_inside() RETURNS trigger LANGUAGE plpgsql AS
\$\$
BEGIN
    IF new.id = 2 THEN
        BEGIN
            COPY reading FROM '$dir/all.text';
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE '%', SQLERRM;
        END;
    ELSE
        COPY reading FROM '$dir/eu.text';
    END IF;
    RETURN NULL;
END \$\$;
CREATE TRIGGER load_inside AFTER INSERT ON outside FOR EACH ROW EXECUTE FUNCTION load_inside();
TRUNCATE reading;
});
append_to_file("$dir/ids", "1\n2\n3\n");
($ret, $out, $err) = as_loader("COPY outside FROM '$dir/ids'");
is($ret, 0, 'COPY within COPY') or diag $err;
like($err, qr/NOTICE:  row in line 2 is not allowed by the row policies of table "reading"/,
	'COPY within COPY: the inner refusal');
is($node->safe_psql('postgres', 'SELECT count(*) FROM reading'), 4, 'COPY within COPY: rows');
append_to_file("$dir/ids", "1\n9\n");
($ret, $out, $err) = as_loader("COPY outside FROM '$dir/ids'");
like($err, qr/row in line 5 is not allowed by the row policies of table "outside"/,
	'COPY within COPY: the outer refusal');

# ----------------------------------------------------------------------
# Foreign tables as partitions
# ----------------------------------------------------------------------

SKIP:
{
	my $host = $node->host;
	my $port = $node->port;

	skip 'postgres_fdw is not installed', 5
	  if $node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'}) eq '0';
	$node->safe_psql(
		'postgres', qq{
CREATE EXTENSION postgres_fdw;
CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR regress_loader SERVER loopback OPTIONS (user 'regress_loader', password_required 'false');
ALTER ROLE regress_loader LOGIN;
CREATE TABLE far_us (id integer, region text);
GRANT SELECT, INSERT ON far_us TO regress_loader;
CREATE TABLE parted (id integer, region text) PARTITION BY LIST (region);
CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
CREATE FOREIGN TABLE parted_us PARTITION OF parted FOR VALUES IN ('us') SERVER loopback OPTIONS (table_name 'far_us');
GRANT SELECT, INSERT ON parted, parted_us TO regress_loader;
SELECT steward.protect('parted');
SELECT steward.create_row_policy('p', 'parted', 'id < 10', roles => '{regress_loader}', commands => '{select,insert}');
});
	($ret, $out, $err) = as_loader("COPY parted FROM PROGRAM 'printf \"1\\tus\\n2\\teu\\n\"'");
	is($ret, 0, 'rows go to a foreign partition') or diag $err;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM far_us'), 1, 'and arrive');
	for my $table ('parted', 'parted_us')
	{
		($ret, $out, $err) = as_loader("COPY $table FROM PROGRAM 'printf \"3\\tus\\n20\\tus\\n\"'");
		like($err, qr/row in line 2 is not allowed by the row policies of table "$table"/,
			"a row for a foreign partition is refused: $table");
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM far_us'), 1, 'and does not arrive');
}

# ----------------------------------------------------------------------
# A trigger that is created on a partition after the load began
# ----------------------------------------------------------------------

{
	my $connection = $node->connstr('postgres');

	$node->safe_psql(
		'postgres', q{
CREATE TABLE raced (id integer, region text) PARTITION BY LIST (region);
CREATE TABLE raced_eu PARTITION OF raced FOR VALUES IN ('eu');
GRANT SELECT, INSERT ON raced TO regress_loader;
SELECT steward.protect('raced');
SELECT steward.create_row_policy('p', 'raced', 'id < 10', roles => '{regress_loader}', commands => '{select,insert}');
CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.id := 100; RETURN new; END $$;
});
	append_to_file("$dir/race.sql",
		"CREATE TRIGGER more BEFORE INSERT ON raced_eu FOR EACH ROW EXECUTE FUNCTION more();\n");
	append_to_file("$dir/race", "1\teu\n");
	($ret, $out, $err) = as_loader(
		qq{COPY raced FROM PROGRAM 'psql -qX -d "${\($connection =~ s/'//gr)}" -f "$dir/race.sql" >&2; cat "$dir/race"'});
	like($err, qr/a trigger was created on a partition of "raced" while rows were copied/,
		'a trigger on a partition comes late');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM raced'), 0, 'and nothing is loaded');
	($ret, $out, $err) = as_loader("COPY raced FROM '$dir/race'");
	like($err, qr/row in line 1 is not allowed/, 'the next load sees the row that it leaves');
}

# ----------------------------------------------------------------------
# What newer versions brought
# ----------------------------------------------------------------------

SKIP:
{
	skip 'ON_ERROR came with 17', 6 if $node->pg_version < 17;

	append_to_file("$dir/bad", "1\teu\ta\nbad\teu\tb\n2\teu\tc\nworse\teu\td\n");
	for my $way ('as a condition', 'by a planned INSERT')
	{
		$node->safe_psql('postgres', 'TRUNCATE reading');
		($ret, $out, $err) = as_loader("COPY reading FROM '$dir/bad' (ON_ERROR ignore)");
		like($err, qr/NOTICE:  2 rows were skipped due to data type incompatibility/, "ON_ERROR, $way");
		is($node->safe_psql('postgres', 'SELECT count(*) FROM reading'), 2, "ON_ERROR, $way: rows");
	  SKIP:
		{
			skip 'REJECT_LIMIT came with 18', 1 if $node->pg_version < 18;
			($ret, $out, $err) =
			  as_loader("COPY reading FROM '$dir/bad' (ON_ERROR ignore, REJECT_LIMIT 1)");
			like($err, qr/skipped more than REJECT_LIMIT \(1\) rows/, "REJECT_LIMIT, $way");
		}
		$node->safe_psql(
			'postgres', q{
CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER same BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION same();
}) if $way eq 'as a condition';
	}
	$node->safe_psql('postgres', 'DROP TRIGGER same ON reading');
}

SKIP:
{
	skip 'virtual generated columns came with 18', 2 if $node->pg_version < 18;

	$node->safe_psql(
		'postgres', q{
CREATE TABLE virtually (id integer, twice integer GENERATED ALWAYS AS (id * 2) VIRTUAL);
GRANT SELECT, INSERT ON virtually TO regress_loader;
SELECT steward.protect('virtually');
SELECT steward.create_row_policy('p', 'virtually', 'twice < 10', roles => '{regress_loader}', commands => '{select,insert}');
});
	($ret, $out, $err) = as_loader("COPY virtually FROM PROGRAM 'echo 4'");
	is($ret, 0, 'a virtual column in a check allows') or diag $err;
	($ret, $out, $err) = as_loader("COPY virtually FROM PROGRAM 'echo 5'");
	like($err, qr/row in line 1 is not allowed/, 'a virtual column in a check refuses');
}

# ----------------------------------------------------------------------
# Memory
# ----------------------------------------------------------------------

# Growth of a session's largest size while it loads 300,000 rows of 100 bytes.
sub growth
{
	my ($options) = @_;
	my $status = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')};
	my $result = $node->safe_psql(
		'postgres', qq{
SET ROLE regress_loader;
BEGIN;
COPY reading FROM '$dir/eu.text' $options;
RESET ROLE;
$status;
SET ROLE regress_loader;
COPY reading FROM '$dir/large' $options;
RESET ROLE;
$status;
ROLLBACK;
});
	my ($before, $after) = split /\n/, $result;
	return ($after - $before) / 1024;
}

SKIP:
{
	skip 'no /proc/self/status here', 4 unless -r '/proc/self/status';

	open(my $large, '>', "$dir/large") or die $!;
	print $large "$_\teu\t", 'x' x 90, "\n" for 1 .. 300_000;
	close $large;

	cmp_ok(growth(''), '<', 8, 'MB to load 30 MB, checks as a condition');
	cmp_ok(growth('WHERE id % 2 = 0'), '<', 8, 'MB to load 30 MB, with a WHERE');
	$node->safe_psql(
		'postgres', q{
SELECT steward.create_row_policy('load', 'reading',
    'EXISTS (SELECT FROM public.bare b WHERE b.region || ''x'' = reading.region || ''x'' AND length(reading.note) > b.id - b.id)',
    roles => '{regress_loader}', commands => '{insert}', replace => true);
});
	cmp_ok(growth(''), '<', 8, 'MB to load 30 MB, checks by a plan');
	$node->safe_psql(
		'postgres', q{
CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.note := new.note || 'y'; RETURN new; END $$;
CREATE TRIGGER pass BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION pass();
});
	cmp_ok(growth('WHERE id > 0'), '<', 8, 'MB to load 30 MB, by a planned INSERT');
}

$node->stop;
done_testing();
