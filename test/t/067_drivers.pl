# Drivers of the field log inferences and are logged reading: psql and node's
# pg, with what they do by themselves (extended protocol, named statements,
# cursors, COPY, pools).
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

my $node = steward_server('drivers');
$node->safe_psql('postgres', <<'END');
CREATE EXTENSION pg_steward;
CREATE ROLE regress_scorer LOGIN IN ROLE steward_service;
CREATE TABLE credit (id int PRIMARY KEY, amount int);
INSERT INTO credit SELECT g, g FROM generate_series(1, 100) g;
GRANT SELECT ON credit TO regress_scorer;
SELECT steward.protect('credit');
SELECT steward.create_row_policy('half', 'credit', 'id <= 50');
SELECT steward.register_model('regress_model', 'for tests', 'me');
SELECT steward.register_version('regress_model', '1');
END

sub logged
{
	my ($query) = @_;

	$node->safe_psql('postgres', 'SELECT steward.flush()');
	return $node->safe_psql('postgres', $query);
}

# psql: a script, variables, \copy into the view, a cursor by FETCH_COUNT.
my $tsv = PostgreSQL::Test::Utils::tempdir() . '/batch.tsv';
PostgreSQL::Test::Utils::append_to_file($tsv, join('', map { "regress_model\t1\t{\"n\": $_}\n" } 1 .. 10));
my ($out, $err);
$node->run_log(
	[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-v', 'FETCH_COUNT=7', '-U', 'regress_scorer', '-d', $node->connstr('postgres'), '-f', '-' ],
	'<' => \"SELECT id FROM credit;
\\set input '{\"from\": \"psql\"}'
SELECT steward.log_inference('regress_model', '1', :'input', '1') IS NOT NULL;
\\copy steward.inference_insert (model, version, input) FROM '$tsv'
", '>' => \$out, '2>' => \$err);
is($err, '', 'psql: no complaint');
is(scalar(() = $out =~ /^\d+$/mg), 50, 'psql: 50 rows, in portions');
is( logged(q(SELECT command, decision, outcome, rows_returned FROM steward.access_log WHERE subject = 'regress_scorer')),
	'select|allowed|completed|50', 'psql: one access, all its rows counted');
is( logged(q(SELECT count(*) FILTER (WHERE input ? 'n'), count(*) FILTER (WHERE input ->> 'from' = 'psql') FROM steward.inference_log)),
	'10|1', 'psql: inferences by function and by \copy');

# node's pg
SKIP:
{
	my $script = PostgreSQL::Test::Utils::tempdir() . '/client.js';
	my @modules = grep { -d "$_/pg" } split(/:/, $ENV{NODE_PATH} // ''), '/usr/share/nodejs', '/usr/lib/nodejs';

	skip "node's pg is not installed", 6 if !@modules;
	PostgreSQL::Test::Utils::append_to_file($script, <<'END');
const { Client, Pool } = require('pg');
const at = { host: process.env.PGHOST, port: process.env.PGPORT, user: 'regress_scorer', database: 'postgres' };
(async () => {
	const client = new Client(at);
	await client.connect();
	// a named statement, prepared once and run twice
	for (const id of [1, 2])
		console.log((await client.query({ name: 'point', text: 'SELECT amount FROM credit WHERE id = $1', values: [id] })).rows.length);
	// a transaction that is rolled back takes no inference with it
	await client.query('BEGIN');
	const logged = await client.query('SELECT steward.log_inference($1, $2, $3, $4, latency_ms => $5) AS id',
		['regress_model', '1', { from: 'node' }, { score: 0.5 }, 1.5]);
	console.log(logged.rows[0].id.length);
	await client.query('ROLLBACK');
	const inserted = await client.query('INSERT INTO steward.inference_insert (model, version, input) VALUES ($1, $2, $3), ($1, $2, $4) RETURNING request_id',
		['regress_model', '1', { from: 'node batch' }, { from: 'node batch' }]);
	console.log(inserted.rows.length);
	// refused; the connection goes on
	try { await client.query('SELECT * FROM steward.inference_log'); } catch (e) { console.log(e.code); }
	try { await client.query('SELECT steward.log_inference($1, $2, $3, $4)', ['no such model', '1', {}, {}]); } catch (e) { console.log(e.code); }
	await client.end();
	// a pool, many at once
	const pool = new Pool({ ...at, max: 4 });
	await Promise.all(Array.from({ length: 40 }, (_, i) =>
		pool.query('SELECT steward.log_inference($1, $2, $3, NULL)', ['regress_model', '1', { pool: i }])));
	await pool.end();
})().catch((e) => { console.error(e.message); process.exit(1); });
END
	local $ENV{NODE_PATH} = join(':', @modules);
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	IPC::Run::run([ 'node', $script ], '>', \$out, '2>', \$err);
	is($err, '', 'node: no complaint');
	is($out, "1\n1\n36\n2\n42501\n42704\n", 'node: answers and refusals');
	is( logged(q(SELECT count(*), sum(rows_returned), min(query_text) FROM steward.access_log WHERE columns = '{id,amount}' AND command = 'select' AND query_text ~ 'amount')),
		'2|2|SELECT amount FROM credit WHERE id = $1', 'node: both runs of the named statement');
	is(logged(q(SELECT output, latency_ms FROM steward.inference_log WHERE input ->> 'from' = 'node')),
		'{"score": 0.5}|1.5', 'node: the inference outlived the rollback');
	is(logged(q(SELECT count(*) FROM steward.inference_log WHERE input ->> 'from' = 'node batch')), '2', 'node: by INSERT');
	is(logged(q(SELECT count(DISTINCT input ->> 'pool') FROM steward.inference_log WHERE input ? 'pool')), '40', 'node: through a pool');
}

$node->stop;
done_testing();
