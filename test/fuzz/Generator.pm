package Generator;

# Random statements that try to see what regress_fuzz may not: what sqlsmith
# does not write.  next_item() returns [kind, in a transaction, statements].
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

# Relations by name: columns as [name, type], kind as in pg_class.relkind.
my %rel;
my @readable;
my @governed = map { "fuzz.$_" } qw(person event event_1 event_2 event_3 event_3a animal dog puppy visit vault);
my @tables;
my $major = 15;

sub any_of { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

# Takes the server's version, and the relations of the database: lines of
# name|kind|column:type,...
sub learn
{
	($major, my @relations) = @_;
	for (@relations)
	{
		my ($name, $kind, $columns) = split /\|/;
		$rel{$name} = { kind => $kind, columns => [ map { [ split /:/, $_, 2 ] } split /,/, $columns ] };
	}
	@readable = sort keys %rel;
	@tables = grep { $rel{$_} } @governed;
	return;
}

# ---------------------------------------------------------------------
# Expressions over one relation, called t
# ---------------------------------------------------------------------

sub columns_of
{
	my ($r, $type) = @_;
	my @found = grep { !defined $type || $_->[1] eq $type } @{ $rel{$r}{columns} };
	return map { $_->[0] } @found;
}

# Text made of a column, most often one that holds canaries.
sub text
{
	my ($r, $t, $depth) = @_;
	$depth //= 0;
	my @columns = columns_of($r);
	my @secret = grep { /^(ssn|pay|loud|twice|quiet|secret|pin|amount|weight|mail|tags|doc|purp|note|whole|j)$/ } @columns;
	my $c = chance(0.8) && @secret ? any_of(@secret) : any_of(@columns);
	my $x = "$t.$c";

	return any_of(
		"$x\::text", "$x\::text", "$x\::text", "upper($x\::text)", "($x\::text || '.')", "$t\::text", "row_to_json($t)::text",
		"to_jsonb($t)::text", "($t).$c\::text", "coalesce($x\::text, 'none')", "concat($t, $x)", "format('%s', $t)",
		"jsonb_build_object('a', $x)::text", "array_to_string(ARRAY[$x], ',')", "ROW($t.*, $x)::text", "quote_literal($x)",
		"encode(convert_to($x\::text, 'UTF8'), 'hex')", "substr($x\::text, 1, 12)", "reverse($x\::text)", "query_to_xml('SELECT 1', true, true, '')::text || $x",
		"(SELECT s.x FROM (SELECT $x\::text AS x) s)", "(SELECT max(z) FROM unnest(ARRAY[$x\::text]) z)",
		"CASE WHEN $x IS NOT NULL THEN $x\::text END", "regexp_replace($x\::text, 'q', 'z')", "xmlforest($x AS e)::text",
		$depth < 2 ? "nullif(" . text($r, $t, $depth + 1) . ", 'x')" : "$x\::text",
		$depth < 2 ? "concat_ws('/', " . text($r, $t, $depth + 1) . ", " . text($r, $t, $depth + 1) . ")" : "$x\::text",
		$r eq 'fuzz.person' ? "fuzz.f_field($t)" : "$x\::text");
}

# What fails, or tells, with the value in its message.
sub raising
{
	my ($r, $t) = @_;
	my $x = text($r, $t);

	return any_of(
		"($x)::int", "($x)::bigint", "($x)::numeric(4,1)", "($x)::date", "($x)::inet", "($x)::uuid", "($x)::jsonb", "($x)::json", "($x)::xml",
		"($x)::point", "($x)::int[]", "($x)::boolean", "($x)::interval", "($x)::regclass", "($x)::regrole", "($x)::regtype", "($x)::regproc",
		"($x)::own.small", "($x)::own.colour", "($x)::own.pair", "($x)::varchar(3)::own.small", "($x)::bit(8)", "($x)::macaddr", "($x)::tsquery", "($x)::int4range",
		"('x' ~ ('(' || $x))", "to_date($x, 'YYYY-MM-DD')", "to_number($x, '999')", "to_timestamp($x, 'HH24:MI')", "own.fail($x)", "own.leak($x)",
		"own.leak($t)", "current_setting($x)", "set_config($x, 'x', true)", "nextval($x)", "to_regclass($x)", "decode($x, 'base64')", "decode($x, 'hex')",
		"(1 / (length($x) - length($x)))", "jsonb_path_query_first('{}', ($x)::jsonpath)", "xpath($x, '<a/>')",
		"pg_get_viewdef($x)", "has_table_privilege($x, 'select')", "(($x)::json -> 'a')", "chr(length($x) * 10000000)", "lpad($x, 300)::own.small",
		"own.same($x, 'mark')", "($x OPERATOR(own.===) 'mark')", "cast($x AS \"char\")::text::int", "make_date(1, 2, length($x) * 1000)", "timezone($x, now())",
		"pg_catalog.makeaclitem(1, 1, $x, false)", "convert_from($x\::bytea, 'SQL_ASCII')", "encode('a', $x)", "get_bit($x\::bytea, 100000)", "pg_size_bytes($x)",
		"parse_ident($x)", "($x)::money", "($x)::pg_lsn", "($x)::tid", "($x)::xid", "($x)::oid", "($x)::timetz");
}

sub condition
{
	my ($r, $t) = @_;

	return any_of('true', 'true', "$t.id > 3", "$t.id = " . int(rand(30)), "$t.id BETWEEN 2 AND 9",
		"NOT (" . text($r, $t) . ") LIKE 'x%'", text($r, $t) . " > 'a'", "length(" . text($r, $t) . ") > 2",
		"(" . raising($r, $t) . ") IS NOT NULL", "own.leak(" . text($r, $t) . ")", "own.leak($t)", "$t IS NOT NULL",
		text($r, $t) . " OPERATOR(own.===) 'mark'", "$t.id IN (SELECT o.id FROM fuzz.open o)", "EXISTS (SELECT FROM fuzz.visit v WHERE v.person = $t.id)",
		"$t.ctid IS NOT NULL", "$t.ctid = '(0,1)'", "$t.tableoid <> 0", "$t.id = ANY ('{1,2,4,5,7,11,12,22}')");
}

sub value
{
	my ($r, $t) = @_;

	return chance(0.75) ? text($r, $t) : chance(0.3) ? "$t" : chance(0.5) ? raising($r, $t)
	  : "$t." . any_of('ctid', 'tableoid::regclass', 'xmin', 'cmin', 'xmax', 'cmax', '*');
}

sub values_of
{
	my ($r, $t) = @_;
	return join ', ', map { value($r, $t) } 0 .. int(rand(3));
}

# ---------------------------------------------------------------------
# Queries
# ---------------------------------------------------------------------

sub source { return chance(0.7) ? any_of(@tables) : any_of(@readable); }

sub function_call
{
	return any_of('fuzz.f_inline(' . int(rand(9)) . ')', 'fuzz.f_rows()', 'fuzz.f_atomic(2)', 'fuzz.f_definer()', 'fuzz.f_colleague()',
		'fuzz.f_super(' . int(rand(9)) . ')', 'fuzz.f_change(' . int(rand(40)) . ", 'Oslo')", "fuzz.f_put(" . (90 + int(rand(3))) . ", 'q')",
		'fuzz.f_regroup(' . int(rand(42)) . ', ' . int(rand(42)) . ')');
}

sub query
{
	my $r = source();
	my $o = source();
	my $t = 't';
	my $only = chance(0.1) && $rel{$r}{kind} =~ /[rp]/ ? 'ONLY ' : '';

	return any_of(
		sub { "SELECT * FROM $only$r t WHERE " . condition($r, 't') },
		sub { "SELECT t FROM $only$r t WHERE " . condition($r, 't') },
		sub { 'SELECT ' . values_of($r, 't') . " FROM $only$r t WHERE " . condition($r, 't') },
		sub { 'SELECT ' . values_of($r, 't') . " FROM $r t ORDER BY " . text($r, 't') . ' LIMIT 9' },
		sub { 'SELECT ' . raising($r, 't') . " FROM $r t" },
		sub { 'SELECT ' . text($r, 't') . ' AS x, count(*), max(' . text($r, 't') . "), array_agg(t) FROM $r t GROUP BY 1 HAVING count(*) > 0" },
		sub { 'SELECT own.pile(' . text($r, 't') . '), string_agg(' . text($r, 't') . ", ','), json_agg(t), jsonb_object_agg(t.id, t), xmlagg(xmlelement(name e, t.id)), min(" . text($r, 't') . ") FROM $r t" },
		sub { "SELECT t.id, t, " . text($o, 'o') . ", o FROM $r t " . any_of('LEFT', 'RIGHT', 'FULL', 'INNER') . " JOIN $o o ON o.id = t.id" . (chance(0.4) ? ' WHERE ' . condition($r, 't') : '') },
		sub { "SELECT * FROM $r t " . any_of('LEFT ', 'RIGHT ', 'FULL ', '') . "JOIN $o o USING (id)" },
		sub { "SELECT j.* FROM ($r t JOIN $o o USING (id)) j" },
		sub { "SELECT * FROM $r t NATURAL LEFT JOIN fuzz.visit v" },
		sub { 'SELECT t.id, ' . any_of('lag', 'lead', 'first_value', 'last_value', 'max') . '(' . text($r, 't') . ') OVER (PARTITION BY ' . any_of('t.id', text($r, 't')) . ' ORDER BY ' . text($r, 't') . "), rank() OVER (ORDER BY t) FROM $r t" },
		sub { 'WITH c AS ' . any_of('', 'MATERIALIZED ', 'NOT MATERIALIZED ') . '(SELECT t.id, ' . text($r, 't') . " AS x, t AS w FROM $r t) SELECT c.*, d.w FROM c JOIN c d ON d.id = c.id WHERE c.x > ''" },
		sub { 'WITH RECURSIVE c (id, x) AS (SELECT t.id, ' . text($r, 't') . " FROM $r t WHERE t.id = 1 UNION ALL SELECT o.id, c.x || " . text($o, 'o') . " FROM $o o JOIN c ON o.id = c.id + 1 WHERE o.id < 9) SELECT * FROM c" },
		sub { 'SELECT ' . text($r, 't') . " FROM $r t " . any_of('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT') . ' SELECT ' . text($o, 'o') . " FROM $o o" },
		sub { "SELECT t.id, l.* FROM $r t, LATERAL (SELECT " . text($o, 'o') . ", t AS tt, o AS oo FROM $o o WHERE o.id = t.id) l" },
		sub { "SELECT (SELECT " . text($o, 'o') . " FROM $o o WHERE o.id = t.id LIMIT 1), ARRAY(SELECT o FROM $o o), t FROM $r t" },
		sub { 'SELECT DISTINCT ON (' . text($r, 't') . ") t.*, t.ctid FROM $r t" },
		sub { 'SELECT ' . text($r, 't') . ' AS x, grouping(t.id), count(*) FROM ' . "$r t GROUP BY GROUPING SETS ((t.id), (" . text($r, 't') . '), ())' },
		sub { "SELECT t.id, t FROM $r t WHERE " . condition($r, 't') . any_of(' FOR UPDATE', ' FOR SHARE', ' FOR NO KEY UPDATE', ' FOR KEY SHARE SKIP LOCKED', ' FOR UPDATE OF t NOWAIT') },
		sub { "SELECT * FROM $r t TABLESAMPLE " . any_of('SYSTEM', 'BERNOULLI') . ' (90) REPEATABLE (1)' },
		sub { 'SELECT * FROM ' . function_call() . any_of('', ' f', ' WITH ORDINALITY') },
		sub { 'SELECT f FROM ' . function_call() . ' f' },
		sub { 'SELECT ' . function_call() },
		sub { "SELECT (fuzz.f_definer()).*" },
		sub { "SELECT t.id, f FROM $r t, fuzz.f_inline(t.id) f WHERE t.id < 5" },
		sub { "SELECT t.id, fuzz.f_scalar(t.id), f.* FROM $r t LEFT JOIN fuzz.f_rows() f ON f.id = t.id" },
		sub { "SELECT * FROM ROWS FROM (fuzz.f_inline(1), fuzz.f_atomic(1)) x" },
		sub { 'TABLE ' . ($rel{$r}{kind} =~ /[rpvm]/ ? $r : 'fuzz.person') },
		sub { "SELECT t.tableoid::regclass, t.ctid, t.xmin, t.* FROM $r t LEFT JOIN $o o ON o.ctid = t.ctid" },
		sub { "SELECT x.* FROM (SELECT t FROM $r t OFFSET 0) s, LATERAL (SELECT (s.t).*) x" },
		sub { "SELECT * FROM json_populate_recordset(NULL::fuzz.person, (SELECT json_agg(t) FROM fuzz.person t))" },
		sub { "SELECT * FROM jsonb_to_recordset((SELECT jsonb_agg(t) FROM $r t)) AS x (id int, ssn text, pay bigint, loud text)" },
		sub { "SELECT query_to_xml('SELECT * FROM $r', true, false, ''), table_to_xml('$r', true, false, ''), cursor_to_xml('none', 1, true, true, '')" },
		sub { any_of("SELECT schema_to_xml('fuzz', true, false, '')", "SELECT table_to_xml('$r', true, false, '')", "SELECT query_to_xml('SELECT t FROM $r t', true, false, '')", "SELECT database_to_xml(true, false, '')") },
		sub { "SELECT ts_stat('SELECT to_tsvector(' || quote_literal('simple') || ', t::text) FROM $r t')" },
		sub { "SELECT ts_rewrite('a', 'SELECT to_tsquery(quote_literal(ssn)), to_tsquery(quote_literal(ssn)) FROM fuzz.person')" },
		sub { "SELECT merged.* FROM (SELECT id, ssn FROM fuzz.person UNION ALL SELECT id, secret FROM fuzz.vault) merged WHERE own.leak(merged.ssn)" },
		sub { "SELECT count(*) FILTER (WHERE own.leak(t)), percentile_disc(0.5) WITHIN GROUP (ORDER BY " . text($r, 't') . "), mode() WITHIN GROUP (ORDER BY t.id) FROM $r t" },
	)->();
}

# ---------------------------------------------------------------------
# Statements that write
# ---------------------------------------------------------------------

sub target { return chance(0.8) ? any_of(@tables) : any_of('fuzz.v_simple', 'fuzz.v_check', 'fuzz.v_barrier', 'fuzz.v_owner'); }

my %some = (integer => '7', bigint => '5', text => "'mine'", boolean => 'true', 'text[]' => "'{a}'", jsonb => "'{}'", numeric => '1.5', int4range => "'[1,3)'");

# A column to set, and what to.
sub assignment
{
	my ($r, $from) = @_;
	my $column = any_of(grep { ($some{ $_->[1] } || '') ne '' } @{ $rel{$r}{columns} });
	my $v = chance(0.5) ? $some{ $column->[1] } : chance(0.5) ? "t.$column->[0]"
	  : chance(0.4) ? 'DEFAULT' : chance(0.5) && defined $from && $column->[1] eq 'text' ? text($from, 'o') : $some{ $column->[1] };

	return "$column->[0] = $v" unless $r eq 'fuzz.person' && chance(0.4);
	return any_of('grp = t.id - 3', 'grp = t.id + 3', 'grp = grp + 1', 'pay = -1', 'ssn = repeat(\'a\', 400)', "city = 'Basel'", "city = 'Bern'", 'id = t.id + 3', 'shown = NULL', 'code = (SELECT max(code) FROM fuzz.person)', "name = 'x'");
}

sub row_to_insert
{
	my ($r) = @_;
	my @columns = grep { $some{ $_->[1] } && !($_->[0] =~ /^(loud|twice|quiet)$/ && chance(0.95)) } @{ $rel{$r}{columns} };
	@columns = grep { chance(0.85) || $_->[0] eq 'id' || $_->[0] eq 'shown' } @columns;
	return ('(' . join(', ', map { $_->[0] } @columns) . ')',
		join(', ', map { $_->[0] eq 'id' ? any_of(1 .. 40, 500 + int(rand(500))) : $_->[0] eq 'day' ? int(rand(32)) : chance(0.1) ? 'DEFAULT' : $some{ $_->[1] } } @columns));
}

sub returning
{
	my ($r) = @_;
	return '' if chance(0.3);
	# the row before and after, since 18
	return ' RETURNING ' . any_of('old.*', 'new.*', 'old, new', 'to_jsonb(old), to_jsonb(new)', text($r, 'old'), text($r, 'new'), raising($r, 'old'), raising($r, 'new'),
		'WITH (OLD AS o1, NEW AS n1) o1, n1, o1.*', 'own.leak(old), own.leak(new), old.ctid, new.tableoid::regclass') if $major >= 18 && chance(0.4);
	return ' RETURNING ' . any_of('*', 't.*', 't', 't', values_of($r, 't'), values_of($r, 't'), values_of($r, 't'));
}

sub update
{
	my ($r) = @_;
	my $from = source();
	my $with = chance(0.3);
	return "UPDATE " . (chance(0.1) ? 'ONLY ' : '') . "$r t SET " . assignment($r, $with ? $from : undef)
	  . ($with ? " FROM $from o WHERE o.id = t.id AND " : ' WHERE ') . condition($r, 't') . returning($r);
}

sub delete_from
{
	my ($r) = @_;
	return "DELETE FROM $r t" . (chance(0.3) ? ' USING ' . source() . ' o WHERE o.id = t.id AND ' : ' WHERE ') . condition($r, 't') . returning($r);
}

sub insert
{
	my ($r) = @_;
	my ($columns, $row) = row_to_insert($r);
	return "INSERT INTO $r AS t $columns " . (chance(0.8) ? "VALUES ($row)" : "SELECT $row FROM " . source() . ' o') . returning($r) =~ s/DEFAULT/NULL/gr;
}

sub conflict
{
	my ($r) = @_;
	my ($columns, $row) = row_to_insert($r);
	my $target = any_of('(id)', '(id)', '(id)', $r eq 'fuzz.vault' ? '(secret)' : $r eq 'fuzz.person' ? '(ssn)' : '(id)', '(grp, pay)', '(day, id)');
	$row =~ s/DEFAULT/NULL/g;
	return "INSERT INTO $r AS t $columns VALUES ($row) ON CONFLICT $target DO UPDATE SET " . assignment($r)
	  . (chance(0.6) ? ' WHERE ' . condition($r, 't') : '') . returning($r) if chance(0.85);
	return "INSERT INTO $r AS t $columns VALUES ($row) ON CONFLICT DO NOTHING" . returning($r);
}

sub merge
{
	my ($r) = @_;
	my $s = source();
	my ($columns, $row) = row_to_insert($r);
	return "MERGE INTO $r t USING $s o ON t.id = o.id" . (chance(0.3) ? ' AND ' . condition($r, 't') : '')
	  . ' WHEN MATCHED' . (chance(0.6) ? ' AND ' . condition($r, 't') : '') . ' THEN ' . any_of('DELETE', 'DO NOTHING', 'UPDATE SET ' . assignment($r, $s), 'UPDATE SET ' . assignment($r, $s))
	  . (chance(0.5) ? ' WHEN NOT MATCHED' . (chance(0.3) ? ' AND own.leak(o)' : '') . " THEN INSERT $columns VALUES ($row)" : '')
	  . (chance($major >= 17 ? 0.6 : 0.1) ? ' RETURNING ' . any_of('merge_action(), t, o', 'merge_action(), t.*', values_of($r, 't'), $major >= 18 ? ('old, new', 'merge_action(), old.*, new.*') : 't') : '');
}

sub writing
{
	my $r = target();
	return any_of(\&update, \&update, \&delete_from, \&insert, \&conflict, \&conflict, \&merge, \&merge)->($r);
}

# ---------------------------------------------------------------------
# Kinds of items
# ---------------------------------------------------------------------

my $serial = 0;

sub select_item { return [ 'select', 1, query() ]; }
sub write_item { my $w = writing(); return [ lc(($w =~ /ON CONFLICT/ ? 'conflict' : ($w =~ /^(\w+)/)[0])), 1, $w ]; }

sub conflict_item { return [ 'conflict', 1, conflict(any_of('fuzz.person', 'fuzz.vault', 'fuzz.animal')) ]; }

sub writing_cte_item
{
	my $w = writing();
	$w .= ' RETURNING t' unless $w =~ /RETURNING|^MERGE/;
	return [ 'writing cte', 1, "WITH w AS ($w) SELECT * FROM w" ];
}

sub copy_item
{
	my $r = any_of(@tables);
	my $columns = chance(0.3) ? ' (' . any_of(columns_of($r)) . ')' : '';
	return [ 'copy', 1,
		any_of("COPY $r$columns TO STDOUT", "COPY $r TO STDOUT (FORMAT csv, HEADER)", 'COPY (' . query() . ') TO STDOUT', 'COPY (' . query() . ') TO STDOUT (FORMAT csv)',
			'COPY (' . update($r) . ') TO STDOUT') ];
}

sub copy_from_item
{
	my $new = 5000 + int(rand(1000));
	# half of them could succeed
	my ($target, $line) = @{ any_of([ 'fuzz.vault (id)', $new ], [ 'fuzz.animal (id, shown)', "$new\\\\tt" ], [ 'fuzz.person (id, shown)', "$new\\\\tt" ],
			[ any_of('fuzz.person', 'fuzz.vault', 'fuzz.event', 'fuzz.animal') . any_of(' (id)', ' (id, shown)', ''),
				any_of('nonsense', '1', $new, "$new\\\\tt", '1\\\\t2', '\\\\\\\\N', '5\\\\tt') ]) };
	return [ 'copy from', 1, "\\copy $target FROM PROGRAM 'printf \"$line\\\\n\"'" ];
}

sub cursor_item
{
	my $c = 'c' . ++$serial;
	my $hold = chance(0.3);
	my $held = query();
	my $r = any_of(@tables);
	my @moves = map { any_of("FETCH ALL $c", "FETCH 3 $c", "FETCH BACKWARD 2 $c", "FETCH LAST $c", "FETCH ABSOLUTE 2 $c", "MOVE 2 $c", "FETCH PRIOR $c", "FETCH RELATIVE -1 $c") } 0 .. 3;
	return [ 'held cursor', 0, 'BEGIN', "DECLARE $c SCROLL CURSOR WITH HOLD FOR $held", "FETCH 1 $c", 'COMMIT', @moves, "CLOSE $c" ] if $hold && $held !~ /fuzz\.f_(change|put|regroup)/;
	return [ 'where current of', 1, "DECLARE $c CURSOR FOR SELECT * FROM $r t" . any_of('', ' FOR UPDATE'), "FETCH 2 $c",
		"UPDATE $r SET " . (assignment($r) =~ s/\bt\.//gr) . " WHERE CURRENT OF $c RETURNING *", "DELETE FROM $r WHERE CURRENT OF $c RETURNING $r" ] if chance(0.3);
	return [ 'cursor', 1, "DECLARE $c " . any_of('', 'SCROLL ', 'BINARY SCROLL ', 'INSENSITIVE ') . 'CURSOR FOR ' . query(), @moves ];
}

sub prepared_item
{
	my $p = 'p' . ++$serial;
	my $r = any_of(@tables);
	my $statement = any_of('SELECT ' . values_of($r, 't') . " FROM $r t WHERE t.id >= \$1", "SELECT t, t.* FROM $r t WHERE t.id >= \$1 AND " . condition($r, 't'),
		"UPDATE $r t SET id = t.id WHERE t.id = \$1 RETURNING " . values_of($r, 't'), "DELETE FROM $r t WHERE t.id >= \$1 RETURNING t");
	return [ 'prepared', 1, 'SET LOCAL plan_cache_mode = ' . any_of('force_generic_plan', 'force_custom_plan', 'auto'), "PREPARE $p (int) AS $statement",
		"EXECUTE $p (1)", 'SET LOCAL ROLE regress_fuzz_other', "EXECUTE $p (2)", 'RESET ROLE', "EXPLAIN (VERBOSE) EXECUTE $p (1)", "EXECUTE $p (4)", "DEALLOCATE $p" ];
}

sub explain_item
{
	my $s = chance(0.7) ? query() : writing();
	return [ 'explain', 1, 'EXPLAIN (' . any_of('VERBOSE', 'ANALYZE, VERBOSE, TIMING off', 'ANALYZE, VERBOSE, BUFFERS, FORMAT json', 'VERBOSE, SETTINGS, FORMAT yaml', 'ANALYZE, FORMAT xml, VERBOSE') . ") $s" ];
}

sub debug_item
{
	return [ 'debug output', 1, 'SET LOCAL client_min_messages = ' . any_of('debug5', 'log', 'debug1'),
		'SET LOCAL ' . any_of('debug_print_plan', 'debug_print_parse', 'debug_print_rewritten', 'log_duration', 'trace_sort') . ' = on', chance(0.7) ? query() : writing() ];
}

sub statistics_item
{
	my $v = any_of(('pg_stats') x 5, 'pg_stats_ext', 'pg_stats_ext_exprs', 'pg_statistic', 'pg_statistic_ext_data', 'pg_stat_all_tables', 'pg_statio_user_tables', 'pg_stat_activity', 'pg_prepared_statements',
		'pg_cursors', 'pg_locks', 'pg_constraint', 'pg_attrdef', 'pg_policies', 'pg_indexes', 'pg_seclabels', 'pg_largeobject', 'pg_class', 'pg_attribute');
	return [ 'statistics', 1, any_of("SELECT * FROM pg_catalog.$v", "SELECT s, s::text FROM pg_catalog.$v s", "SELECT to_jsonb(s) FROM pg_catalog.$v s",
			'SELECT pg_mcv_list_items(stxdmcv) FROM pg_statistic_ext_data', 'SELECT attname, most_common_vals, histogram_bounds, most_common_elems FROM pg_stats',
			"EXPLAIN SELECT * FROM fuzz.person t WHERE ssn OPERATOR(own.===) 'x'", "EXPLAIN SELECT * FROM fuzz.vault t WHERE label OPERATOR(own.===) 'x' AND secret OPERATOR(own.===) 'y'",
			"EXPLAIN SELECT * FROM fuzz.person t JOIN fuzz.visit v ON t.name OPERATOR(own.===) v.what", "EXPLAIN SELECT * FROM fuzz.person t WHERE upper(ssn) OPERATOR(own.===) 'x'",
			"EXPLAIN SELECT * FROM fuzz.person WHERE code > 'a' AND code < 'z'") ];
}

# As the owner, or a member of his: DDL over governed tables and beside them.
sub ddl_item
{
	my $r = any_of(@tables);
	my $n = 'd' . ++$serial;
	my ($column, $type) = @{ any_of(@{ $rel{$r}{columns} }) };
	my $plain = any_of('own', 'fuzz') . ".$n";
	my $ddl = any_of(
		[ "CREATE INDEX ON $r (own.fail($column\::text))" ], [ "CREATE INDEX ON $r ((own.leak($column)))" ], [ "CREATE UNIQUE INDEX ON $r ((1))" ], [ "CREATE INDEX ON $r (id) WHERE own.leak($column)" ],
		[ "ALTER TABLE $r ADD CHECK (own.leak($column))" ], [ "ALTER TABLE $r ADD CHECK ($column\::text = 'x')" ], [ "ALTER TABLE $r ADD UNIQUE (" . any_of('grp', 'shown', $column) . ')' ],
		[ "ALTER TABLE $r ADD CONSTRAINT k FOREIGN KEY ($column) REFERENCES fuzz.open" ], [ "ALTER TABLE $r ALTER $column TYPE int USING $column\::text::int" ],
		[ "ALTER TABLE $r ALTER $column TYPE own.small USING own.fail($column\::text)" ], [ "ALTER TABLE $r ADD COLUMN z text GENERATED ALWAYS AS (own.fail($column\::text)) STORED" ],
		[ "CREATE TRIGGER g BEFORE UPDATE ON $r FOR EACH ROW EXECUTE FUNCTION own.trig()", "UPDATE $r SET id = id" ],
		[ "CREATE TRIGGER g AFTER DELETE ON $r REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION own.trig()", "DELETE FROM $r" ],
		[ "CREATE RULE g AS ON UPDATE TO $r DO ALSO SELECT own.leak(OLD)", "UPDATE $r SET id = id" ], [ "CREATE RULE g AS ON DELETE TO $r DO INSTEAD SELECT OLD.*", "DELETE FROM $r" ],
		[ "CREATE VIEW $plain AS SELECT t.*, t AS w FROM $r t", "SELECT * FROM $plain", "SELECT own.leak(v) FROM $plain v", "UPDATE $plain SET id = id RETURNING *" ],
		[ "CREATE MATERIALIZED VIEW $plain AS SELECT t.*, t AS w FROM $r t", "SELECT * FROM $plain", "REFRESH MATERIALIZED VIEW $plain" ],
		[ "CREATE TABLE $plain AS SELECT t.*, t::text AS w FROM $r t", "SELECT * FROM $plain", "ANALYZE $plain", "SELECT * FROM pg_stats WHERE tablename = '$n'" ],
		[ 'REFRESH MATERIALIZED VIEW fuzz.mv', 'TABLE fuzz.mv' ],
		[ "SELECT t.* INTO TEMP $n FROM $r t", "SELECT * FROM pg_temp.$n" ],
		[ "CREATE STATISTICS $plain ON (own.leak($column)), id FROM $r", "ANALYZE $r", 'SELECT * FROM pg_stats_ext_exprs' ],
		[ "ALTER TABLE $r ALTER $column SET STATISTICS 1000", "ANALYZE $r", "SELECT * FROM pg_stats WHERE tablename = '" . (split /\./, $r)[1] . "'" ],
		[ "CREATE TABLE $plain () INHERITS ($r)", "SELECT * FROM $plain" ], [ "CREATE TABLE $plain PARTITION OF fuzz.event FOR VALUES FROM (40) TO (50)", "INSERT INTO fuzz.event (id, day, shown) VALUES (1, 41, true) RETURNING *", "SELECT * FROM $plain" ],
		[ "CREATE TABLE $plain (LIKE fuzz.event)", "ALTER TABLE $plain ATTACH PARTITION fuzz.event_1 DEFAULT" ],
		[ 'ALTER TABLE fuzz.event DETACH PARTITION fuzz.event_1', 'TABLE fuzz.event_1', 'SELECT * FROM fuzz.event_1' ], [ "ALTER TABLE fuzz.dog NO INHERIT fuzz.animal", 'SELECT * FROM fuzz.dog' ],
		[ "CREATE TABLE $plain (LIKE $r)", "ALTER TABLE $r INHERIT $plain", "SELECT * FROM $plain" ],
		[ "ALTER TABLE $r DISABLE ROW LEVEL SECURITY", "SELECT * FROM $r" ], [ "ALTER TABLE $r NO FORCE ROW LEVEL SECURITY", "SELECT * FROM $r" ], [ "CREATE POLICY g ON $r USING (own.leak(id))", "SELECT * FROM $r" ],
		[ "CREATE POLICY g ON $r AS RESTRICTIVE USING (own.leak($column))", "SELECT * FROM $r" ],
		[ "ALTER TABLE $r RENAME COLUMN $column TO shown2", "SELECT * FROM $r" ], [ "ALTER TABLE $r DROP COLUMN $column CASCADE", "SELECT * FROM $r" ], [ "ALTER TABLE $r ADD COLUMN z int DEFAULT 1", "SELECT t FROM $r t" ],
		[ "ALTER TABLE $r ALTER $column SET DEFAULT 'x'", "INSERT INTO $r (id) VALUES (77) RETURNING *" ], [ "ALTER TABLE $r ALTER $column SET NOT NULL" ], [ "ALTER TABLE $r RENAME TO $n", "SELECT * FROM " . ($r =~ s/\..*/.$n/r) ],
		[ "CREATE FUNCTION $plain() RETURNS SETOF $r STABLE LANGUAGE sql " . any_of('', 'SECURITY DEFINER') . " AS 'SELECT * FROM $r'", "SELECT * FROM $plain()", "SELECT $plain()" ],
		[ "CREATE FUNCTION $plain(a $r) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT \$1::text'", "SELECT $plain(t) FROM $r t" ],
		[ "CREATE FUNCTION $plain() RETURNS SETOF $r STABLE LANGUAGE sql BEGIN ATOMIC SELECT * FROM $r; END", "SELECT * FROM $plain()", "SELECT f, f.* FROM $plain() f" ],
		[ "CREATE TABLE $plain (k int, FOREIGN KEY (k) REFERENCES fuzz.person)", "INSERT INTO $plain SELECT g FROM generate_series(1, 9) g", "INSERT INTO $plain SELECT id FROM fuzz.person" ],
		[ "CREATE TABLE $plain (k text REFERENCES fuzz.person (ssn))", "INSERT INTO $plain SELECT ssn FROM fuzz.person", "INSERT INTO $plain VALUES ('x')" ],
		[ "CREATE DOMAIN own.$n AS text CHECK (own.leak(VALUE))", "SELECT ssn::own.$n FROM fuzz.person", "ALTER TABLE $r ALTER $column TYPE own.$n" ],
		[ "CREATE OR REPLACE VIEW fuzz.v_simple AS SELECT id, shown, grp, name, code, ssn, pay, city, note, loud FROM fuzz.person", 'SELECT * FROM fuzz.v_simple' ],
		[ "TRUNCATE $r CASCADE" ], [ "CLUSTER $r" ], [ "REINDEX TABLE $r" ], [ "LOCK TABLE $r" ], [ "COMMENT ON TABLE $r IS 'x'" ], [ "DROP TABLE $r CASCADE" ], [ "ALTER TABLE $r SET UNLOGGED" ],
		[ "ALTER TABLE $r OWNER TO regress_fuzz_colleague" ], [ "CREATE PUBLICATION $n FOR TABLE $r" ], [ "SECURITY LABEL FOR steward ON COLUMN $r.$column IS 'other'" ], [ "SECURITY LABEL FOR steward ON COLUMN fuzz.person.mail IS NULL", 'SELECT mail FROM fuzz.person' ],
		[ "CREATE CAST (fuzz.person AS text) WITH FUNCTION fuzz.f_field AS IMPLICIT", 'SELECT p::text FROM fuzz.person p' ],
		[ "CREATE EVENT TRIGGER $n ON ddl_command_end EXECUTE FUNCTION own.trig()" ], [ "GRANT SELECT ON $r TO public" ], [ "ALTER TABLE $r REPLICA IDENTITY FULL" ]);
	return [ 'ddl', 1, @$ddl ];
}

sub role_item
{
	my $set = any_of([ 'SET LOCAL ROLE regress_fuzz_other' ], [ 'SET LOCAL ROLE regress_fuzz_officer' ], [ 'SET LOCAL ROLE postgres' ], [ 'SET LOCAL SESSION AUTHORIZATION regress_fuzz_beyond' ],
		[ "SELECT set_config('role', 'regress_fuzz_other', true)" ], [ 'SET LOCAL row_security = off' ], [ "SET LOCAL steward.purpose = 'regress-fuzz-never'" ], [ "SET LOCAL session_replication_role = replica" ],
		[ "SET LOCAL search_path = pg_temp, own, fuzz, pg_catalog" ], [ 'SAVEPOINT s', 'SET LOCAL ROLE regress_fuzz_other', 'ROLLBACK TO s' ], [ 'SET LOCAL steward.on_no_policy = empty' ], [ "SET LOCAL local_preload_libraries = 'x'" ],
		[ 'SET LOCAL constraint_exclusion = on' ], [ 'SET LOCAL enable_partitionwise_join = on', 'SET LOCAL enable_hashjoin = off' ], [ 'SET LOCAL force_parallel_mode = on', 'SET LOCAL parallel_setup_cost = 0', 'SET LOCAL min_parallel_table_scan_size = 0' ],
		[ 'SET LOCAL enable_seqscan = off' ], [ 'SET LOCAL debug_parallel_query = on' ], [ 'SET LOCAL transaction_isolation = serializable' ]);
	return [ 'set role', 1, @$set, query(), chance(0.5) ? writing() : query(), 'RESET ROLE', query() ];
}

sub savepoint_item { return [ 'savepoint', 1, 'SAVEPOINT a', writing(), 'SAVEPOINT b', writing(), 'ROLLBACK TO a', query(), 'RELEASE a', query() ]; }

sub quoted { my $s = shift; return "\$q\$$s\$q\$"; }

sub do_item
{
	my $s = chance(0.5) ? query() : writing();
	my $r = any_of(@tables);
	my $vars = 'DECLARE r record; a text; b text; c text; d text; j text; ';
	my $body = any_of(
		'EXECUTE ' . quoted($s) . ';',
		'FOR r IN EXECUTE ' . quoted($s) . ' LOOP RAISE NOTICE \'%\', r; END LOOP;',
		"FOR r IN SELECT * FROM $r LOOP RAISE NOTICE '%', r; a := r.id; b := (r)::text::int; END LOOP;",
		"SELECT t.* INTO STRICT r FROM $r t WHERE " . condition($r, 't') . "; RAISE WARNING '%', r;",
		"SELECT " . raising($r, 't') . " INTO a FROM $r t; RAISE NOTICE '%', a;",
		"PERFORM " . raising($r, 't') . " FROM $r t;",
		"PERFORM fuzz.f_regroup(t.id, t.id + 3) FROM fuzz.person t;",
		"PERFORM fuzz.f_regroup(t.id, t.id - 3) FROM fuzz.person t;",
		"UPDATE fuzz.person SET grp = id - 3;",
		"UPDATE $r SET id = id RETURNING * INTO r; RAISE NOTICE '%', r; RAISE EXCEPTION '%', r;",
		"ASSERT false, (SELECT max(" . text($r, 't') . ") FROM $r t);");
	return [ 'do block', 1, 'DO ' . "\$do\$ ${vars}BEGIN $body EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS a = MESSAGE_TEXT, b = PG_EXCEPTION_DETAIL, c = PG_EXCEPTION_HINT, d = PG_EXCEPTION_CONTEXT; "
		  . "RAISE NOTICE 'caught % % | % | % | % | %', SQLSTATE, SQLERRM, a, b, c, d; END \$do\$" ];
}

sub violation_item
{
	my $i = int(rand(40));
	return [ 'violation', 1, any_of(
			"UPDATE fuzz.person SET grp = id - 3", "UPDATE fuzz.person SET id = id + 1", "UPDATE fuzz.person SET pay = -id RETURNING *", "UPDATE fuzz.person SET grp = $i, shown = NULL", "UPDATE fuzz.person SET code = 'x'",
			"SELECT fuzz.f_regroup(t.id, t.id - 3) FROM fuzz.person t", "SELECT fuzz.f_regroup($i, $i - 3)", "SELECT fuzz.f_regroup($i, $i + 3)",
			"INSERT INTO fuzz.person (id, shown, ssn) SELECT 100 + g, true, 'x' FROM generate_series(1, 2) g", "INSERT INTO fuzz.person (id, shown) VALUES ($i, true)", "INSERT INTO fuzz.person (id) VALUES (1000)",
			"INSERT INTO fuzz.visit (id, person) VALUES (1000, 999)", "INSERT INTO fuzz.visit (id, ssn) VALUES (1000, 'none')", "INSERT INTO fuzz.visit VALUES (1000, 1, NULL, true, 'x', '[$i,$i]')", "UPDATE fuzz.visit SET during = '[1,1000)'",
			"DELETE FROM fuzz.person", "UPDATE fuzz.visit SET ssn = 'none'", "UPDATE fuzz.person SET ssn = 'new' || id", "UPDATE fuzz.vault SET secret = 'same'", "UPDATE fuzz.vault SET id = id + 1", "INSERT INTO fuzz.vault SELECT id + 100, secret, pin FROM fuzz.vault",
			"UPDATE fuzz.event SET day = 99", "UPDATE fuzz.event_1 SET day = 99", "UPDATE fuzz.event SET day = 5, id = 5 RETURNING *", "INSERT INTO fuzz.event VALUES (1, 99)", "INSERT INTO fuzz.v_check (id, shown, pay) VALUES (2000, true, -1)", "UPDATE fuzz.v_check SET pay = 0 RETURNING *",
			"UPDATE fuzz.animal SET id = 2", "INSERT INTO fuzz.person (id, shown, loud) VALUES (3, true, 'x')", "UPDATE fuzz.person SET twice = 1",
			"SET CONSTRAINTS ALL IMMEDIATE", "SELECT fuzz.f_put(1, 'x')", "SELECT fuzz.f_put(t.id, t.secret) FROM fuzz.vault t", "SELECT fuzz.f_change($i, name) FROM fuzz.person") ];
}

sub refcursor_item { return [ 'refcursor', 1, "SELECT fuzz.f_ref('rc')", 'FETCH ALL rc', 'CLOSE rc' ]; }

my @kinds = ((\&select_item) x 12, (\&write_item) x 12, (\&conflict_item) x 3, (\&writing_cte_item) x 2, (\&copy_item) x 3, \&copy_from_item, (\&cursor_item) x 3, (\&prepared_item) x 2,
	(\&explain_item) x 3, \&debug_item, (\&statistics_item) x 3, (\&ddl_item) x 5, (\&role_item) x 2, \&savepoint_item, (\&do_item) x 3, (\&violation_item) x 2, \&refcursor_item);

# The next item of a session of a role; owners go their own roads.
sub next_item
{
	my ($role) = @_;
	return ddl_item() if $role =~ /owner/ && chance(0.3);
	return statistics_item() if $role =~ /owner/ && chance(0.1);
	return any_of(@kinds)->();
}

1;
