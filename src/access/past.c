/*-------------------------------------------------------------------------
 *
 * past.c
 *	  What governed relations at a moment of the past, read from the history.
 *
 * The tables of governance are read through scans (facts_begin()) that give
 * the rows of today or those of a moment, in the same form and order: so the
 * same code answers for then and now.  The rows of then are read once, as the
 * owner of the history, and kept while the moment is open.
 *
 * Expressions are kept as text, and parsed with the columns that the table has
 * now under the names that they had then.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/mask.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Rows in memory. */
typedef struct FactTable
{
	TupleDesc	desc;
	List	   *tuples;			/* of HeapTuple */
} FactTable;

/* A moment of the past, and what was read of it. */
struct Past
{
	TimestampTz at;
	const Past *outer;			/* the moment that was open before */
	MemoryContext context;
	FactTable  *tables[STEWARD_TABLE_COUNT];	/* NULL: not read yet */
	FactTable  *role_names;		/* OID and name */
	Oid			tagged;			/* of this relation ... */
	FactTable  *tags;			/* ... numbers of columns, and their labels */
};

/* The moment that is asked about. */
static const Past *open_past = NULL;

/*
 * How the rows of a table are made of what the history holds: $1 is the
 * moment.  In the order in which the index of the table has them.
 */
#define RELATION_OF(h) "JOIN steward.access_history_relation r ON r.id = (" h ".object)[1]::uuid"
#define POPULATED(table, members) \
	"SELECT (jsonb_populate_record(NULL::steward." table ", h.content || jsonb_build_object(" members "))).*"

static const char *const past_rows[STEWARD_TABLE_COUNT] = {
	[TABLE_PROTECTED_RELATION] =
	POPULATED("protected_relation", "'relation', r.relation::oid")
	" FROM steward.history_at('protected_relation', $1) h " RELATION_OF("h") " ORDER BY 1",
	[TABLE_ROW_POLICY] =
	POPULATED("row_policy", "'relation', r.relation::oid, 'name', h.object[2]")
	" FROM steward.history_at('row_policy', $1) h " RELATION_OF("h") " ORDER BY 1, 2",
	[TABLE_ROW_POLICY_ROLE] =
	"SELECT r.relation, h.object[2]::name, steward.history_role_oid(o.number)::regrole"
	" FROM steward.history_at('row_policy', $1) h " RELATION_OF("h")
	", jsonb_array_elements_text(h.content -> 'roles') o (number) ORDER BY 1, 2, 3",
	[TABLE_ROW_POLICY_AUTHOR] =
	"SELECT r.relation, h.object[2]::name, steward.history_role_oid(h.content ->> 'author')::regrole"
	" FROM steward.history_at('row_policy', $1) h " RELATION_OF("h")
	" WHERE h.content ->> 'author' IS NOT NULL ORDER BY 1, 2",
	[TABLE_PURPOSE] =
	POPULATED("purpose", "'name', h.object[1]") " FROM steward.history_at('purpose', $1) h ORDER BY 1",
	[TABLE_PURPOSE_GRANT] =
	POPULATED("purpose_grant", "'purpose', h.object[1], 'to_role', steward.history_role_oid(h.object[2])")
	" FROM steward.history_at('purpose_grant', $1) h ORDER BY 1, 2",
	[TABLE_ROLE_ATTRIBUTE] =
	POPULATED("role_attribute", "'role', steward.history_role_oid(h.object[1]), 'key', h.object[2]")
	" FROM steward.history_at('role_attribute', $1) h ORDER BY 1, 2",
	[TABLE_COLUMN_MASK] =
	POPULATED("column_mask", "'relation', r.relation::oid, 'name', h.object[2], 'attnum', c.attnum")
	" FROM steward.history_at('column_mask', $1) h " RELATION_OF("h")
	" JOIN LATERAL steward.columns_then(r.relation, h.since) c ON c.name_then::text = (h.content ->> 'column')"
	" ORDER BY 1, 2",
	[TABLE_COLUMN_MASK_ROLE] =
	"SELECT r.relation, h.object[2]::name, steward.history_role_oid(o.number)::regrole"
	" FROM steward.history_at('column_mask', $1) h " RELATION_OF("h")
	", jsonb_array_elements_text(h.content -> 'roles') o (number) ORDER BY 1, 2, 3",
	[TABLE_COLUMN_MASK_AUTHOR] =
	"SELECT r.relation, h.object[2]::name, steward.history_role_oid(h.content ->> 'author')::regrole"
	" FROM steward.history_at('column_mask', $1) h " RELATION_OF("h")
	" WHERE h.content ->> 'author' IS NOT NULL ORDER BY 1, 2",
	[TABLE_TAG_MASK] =
	POPULATED("tag_mask", "'name', h.object[1]") " FROM steward.history_at('tag_mask', $1) h ORDER BY 1",
	[TABLE_TAG_MASK_ROLE] =
	"SELECT h.object[1]::name, steward.history_role_oid(o.number)::regrole"
	" FROM steward.history_at('tag_mask', $1) h"
	", jsonb_array_elements_text(h.content -> 'roles') o (number) ORDER BY 1, 2",
	[TABLE_BREAK_GLASS_GRANT] =
	POPULATED("break_glass_grant", "'to_role', steward.history_role_oid(h.object[1])")
	" FROM steward.history_at('break_glass_grant', $1) h ORDER BY 1",
};

/* ------------------------------------------------------------------------
 * Reading the history
 * ------------------------------------------------------------------------
 */

/* Runs a query as the owner of the history and keeps its rows. */
static FactTable *
run_query(MemoryContext context, const char *sql, int nargs, Oid *argtypes, Datum *values)
{
	FactTable  *table;
	HistoryActor before;
	MemoryContext old;

	history_act_as_owner(&before);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql, nargs, argtypes, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "pg_steward: the history could not be read");
	old = MemoryContextSwitchTo(context);
	table = palloc(sizeof(FactTable));
	table->desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	table->tuples = NIL;
	for (uint64 i = 0; i < SPI_processed; i++)
		table->tuples = lappend(table->tuples, heap_copytuple(SPI_tuptable->vals[i]));
	MemoryContextSwitchTo(old);
	SPI_finish();
	history_act_as_before(&before);
	return table;
}

/* A query about the moment, and perhaps a relation ($2). */
static FactTable *
run_query_at(const Past *past, const char *sql, Oid relid)
{
	Oid			argtypes[] = {TIMESTAMPTZOID, OIDOID};
	Datum		values[] = {TimestampTzGetDatum(past->at), ObjectIdGetDatum(relid)};

	return run_query(past->context, sql, OidIsValid(relid) ? 2 : 1, argtypes, values);
}

/* A value of a row as a string; NULL where there is none. */
static char *
string_of(const FactTable *table, HeapTuple tup, int attno)
{
	return SPI_getvalue(tup, table->desc, attno);
}

static Datum
datum_of(const FactTable *table, HeapTuple tup, int attno)
{
	bool		isnull;

	return heap_getattr(tup, attno, table->desc, &isnull);
}

/*
 * Opens a moment, until past_close(); NULL where it is not of the past, which
 * begins before this transaction: what this transaction itself has changed is
 * now.  Raises for a moment of which nothing is known.
 */
Past *
past_open(TimestampTz at)
{
	FactTable  *first;
	Past	   *past;
	bool		isnull;
	Datum		begin;

	if (at >= GetCurrentTransactionStartTimestamp() || !steward_has_table(TABLE_ACCESS_HISTORY_EVENT))
		return NULL;
	past = palloc0(sizeof(Past));
	past->at = at;
	past->context = CurrentMemoryContext;
	first = run_query_at(past, "SELECT min(e.at) FROM steward.access_history_event e"
						 " WHERE $1 IS NOT NULL AND e.kind = 'installation'", InvalidOid);
	begin = heap_getattr(linitial(first->tuples), 1, first->desc, &isnull);
	if (isnull || at < DatumGetTimestampTz(begin))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("who had access at that moment is not known"),
				 errdetail("The history begins when pg_steward 0.2 is installed, or updated to."),
				 isnull ? 0 :
				 errhint("Ask about %s or a later moment.", timestamptz_to_str(DatumGetTimestampTz(begin)))));
	past->outer = open_past;
	open_past = past;
	return past;
}

/* Closes it, also after an error; NULL: none was opened. */
void
past_close(Past *past)
{
	if (past != NULL)
		open_past = past->outer;
}

/* The open moment, where it is this one; NULL: ask about today. */
const Past *
past_at(TimestampTz at)
{
	return open_past != NULL && open_past->at == at ? open_past : NULL;
}

/* The name that a role had at the open moment, or NULL. */
char *
past_role_name(Oid roleid)
{
	ListCell   *lc;

	if (open_past == NULL)
		return NULL;
	if (open_past->role_names == NULL)
		unconstify(Past *, open_past)->role_names =
			run_query_at(open_past, "SELECT steward.history_role_oid(e.object[1]), steward.history_role_name(e.object[1], $1)"
						 " FROM (SELECT DISTINCT n.object FROM steward.access_history_event n WHERE n.kind = 'role') e", InvalidOid);
	foreach(lc, open_past->role_names->tuples)
	{
		if (DatumGetObjectId(datum_of(open_past->role_names, lfirst(lc), 1)) == roleid)
			return string_of(open_past->role_names, lfirst(lc), 2);
	}
	return NULL;
}

/* ------------------------------------------------------------------------
 * Scans of the tables of governance
 * ------------------------------------------------------------------------
 */

struct FactScan
{
	Relation	rel;			/* of today */
	SysScanDesc scan;
	const FactTable *table;		/* of then */
	int			next;
	int			nkeys;
	ScanKey		keys;
};

/*
 * Begins a scan in the order of the index by which C code searches the table;
 * keys are as for systable_beginscan(), and stay the caller's.
 */
FactScan *
facts_begin(const Past *past, StewardTable table, int nkeys, ScanKey keys)
{
	FactScan   *scan = palloc0(sizeof(FactScan));

	if (past == NULL)
	{
		scan->rel = table_open(steward_table(table), AccessShareLock);
		scan->scan = systable_beginscan(scan->rel, steward_index(table), true, NULL, nkeys, keys);
		return scan;
	}
	if (past_rows[table] == NULL)
		elog(ERROR, "pg_steward: table %d has no history", (int) table);
	if (past->tables[table] == NULL)
		unconstify(Past *, past)->tables[table] = run_query_at(past, past_rows[table], InvalidOid);
	scan->table = past->tables[table];
	scan->nkeys = nkeys;
	scan->keys = keys;
	return scan;
}

/* Does a row of then fulfil the keys? */
static bool
fulfils_keys(const FactScan *scan, HeapTuple tup)
{
	for (int i = 0; i < scan->nkeys; i++)
	{
		ScanKey		key = &scan->keys[i];
		bool		isnull;
		Datum		value = heap_getattr(tup, key->sk_attno, scan->table->desc, &isnull);

		if (isnull || !DatumGetBool(FunctionCall2Coll(&key->sk_func, key->sk_collation, value, key->sk_argument)))
			return false;
	}
	return true;
}

/* The next row, or NULL; valid until the next call. */
HeapTuple
facts_next(FactScan *scan)
{
	if (scan->scan != NULL)
		return systable_getnext(scan->scan);
	while (scan->next < list_length(scan->table->tuples))
	{
		HeapTuple	tup = list_nth(scan->table->tuples, scan->next++);

		if (fulfils_keys(scan, tup))
			return tup;
	}
	return NULL;
}

/* What the rows look like. */
TupleDesc
facts_desc(const FactScan *scan)
{
	return scan->scan != NULL ? RelationGetDescr(scan->rel) : scan->table->desc;
}

void
facts_end(FactScan *scan)
{
	if (scan->scan != NULL)
	{
		systable_endscan(scan->scan);
		table_close(scan->rel, AccessShareLock);
	}
	pfree(scan);
}

/* ------------------------------------------------------------------------
 * Expressions
 * ------------------------------------------------------------------------
 */

/* The expressions of a relation's row policies or masks. */
List *
past_expressions(const Past *past, HistoryKind kind, Relation rel)
{
	const char *sql = kind == HISTORY_ROW_POLICY ?
	"SELECT h.object[2], h.content ->> 'using', h.content ->> 'check', h.since"
	" FROM steward.history_at('row_policy', $1) h " RELATION_OF("h") " WHERE r.relation::oid = $2" :
	"SELECT h.object[2], h.content ->> 'using', h.content ->> 'check', h.since"
	" FROM steward.history_at('column_mask', $1) h " RELATION_OF("h") " WHERE r.relation::oid = $2";
	FactTable  *table = run_query_at(past, sql, RelationGetRelid(rel));
	List	   *expressions = NIL;
	ListCell   *lc;

	foreach(lc, table->tuples)
	{
		PastExpression *expression = palloc(sizeof(PastExpression));

		expression->name = string_of(table, lfirst(lc), 1);
		expression->using_text = string_of(table, lfirst(lc), 2);
		expression->check_text = string_of(table, lfirst(lc), 3);
		expression->since = DatumGetTimestampTz(datum_of(table, lfirst(lc), 4));
		expressions = lappend(expressions, expression);
	}
	return expressions;
}

/* The relation under the name that it had, its columns under theirs. */
static Alias *
alias_of_then(const Past *past, Relation rel, TimestampTz since)
{
	Oid			argtypes[] = {OIDOID, TIMESTAMPTZOID};
	Datum		values[] = {ObjectIdGetDatum(RelationGetRelid(rel)), TimestampTzGetDatum(since)};
	FactTable  *columns = run_query(past->context,
									"SELECT c.attnum, c.name_then FROM steward.columns_then($1, $2) c", 2, argtypes, values);
	FactTable  *name = run_query(past->context,
								 "SELECT (parse_ident(e.content ->> 'name'))[2]"
								 " FROM steward.access_history_event e JOIN steward.access_history_relation r ON e.object[1] = r.id::text"
								 " WHERE e.kind = 'relation' AND e.content IS NOT NULL"
								 " AND r.relation::oid = $1 AND e.at <= $2"
								 " ORDER BY e.at DESC LIMIT 1", 2, argtypes, values);
	List	   *names = NIL;

	for (AttrNumber attno = 1; attno <= RelationGetNumberOfAttributes(rel); attno++)
	{
		char	   *then = NULL;
		ListCell   *lc;

		if (TupleDescAttr(RelationGetDescr(rel), attno - 1)->attisdropped)
			continue;
		foreach(lc, columns->tuples)
		{
			if (DatumGetInt16(datum_of(columns, lfirst(lc), 1)) == attno)
				then = string_of(columns, lfirst(lc), 2);
		}
		names = lappend(names, makeString(then != NULL ? then : psprintf("(younger column %d)", attno)));
	}
	return makeAlias(name->tuples == NIL ? RelationGetRelationName(rel) :
					 string_of(name, linitial(name->tuples), 1), names);
}

static Expr *
parse_one(Relation rel, const char *text, Alias *alias)
{
	ParseState *pstate = make_parsestate(NULL);
	Node	   *expr;

	pstate->p_sourcetext = text;

	addNSItemToQuery(pstate,
					 addRangeTableEntryForRelation(pstate, rel, AccessShareLock, copyObject(alias), false, false),
					 false, true, true);
	expr = transformWhereClause(pstate, expression_parse("expression", text), EXPR_KIND_POLICY, "POLICY");
	assign_expr_collations(pstate, expr);
	free_parsestate(pstate);
	return (Expr *) expr;
}

/*
 * Parses the expressions that a policy had.  False, and in *problem why, where
 * that is no longer possible: what they use has gone, or changed.
 */
bool
past_parse(const Past *past, Relation rel, const PastExpression *expression,
		   Expr **using_expr, Expr **check_expr, char **problem)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Alias	   *alias = alias_of_then(past, rel, expression->since);

	*using_expr = *check_expr = NULL;
	*problem = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		HistoryActor before;

		/* Whoever asks need not see the schemas that are named. */
		history_act_as_owner(&before);
		if (expression->using_text != NULL)
			*using_expr = parse_one(rel, expression->using_text, alias);
		if (expression->check_text != NULL)
			*check_expr = parse_one(rel, expression->check_text, alias);
		history_act_as_before(&before);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
			ReThrowError(error);
		*problem = error->message;
		*using_expr = *check_expr = NULL;
	}
	PG_END_TRY();
	return *problem == NULL;
}

/*
 * The policies of PostgreSQL itself that users had defined on the relation;
 * what cannot be read any more is named in *problems.
 */
List *
past_native_policies(const Past *past, Relation rel, List **problems)
{
	FactTable  *table = run_query_at(past,
									 "SELECT h.object[2], h.content ->> 'using', h.content ->> 'check', h.since,"
									 " h.content ->> 'command', (h.content ->> 'permissive')::bool,"
									 " ARRAY(SELECT steward.history_role_oid(o.number)"
									 "  FROM jsonb_array_elements_text(h.content -> 'roles') o (number))"
									 " FROM steward.history_at('native_policy', $1) h " RELATION_OF("h")
									 " WHERE r.relation::oid = $2 ORDER BY h.object[2]::name",
									 RelationGetRelid(rel));
	List	   *policies = NIL;
	ListCell   *lc;

	foreach(lc, table->tuples)
	{
		HeapTuple	tup = lfirst(lc);
		RowSecurityPolicy *native = palloc0(sizeof(RowSecurityPolicy));
		PastExpression expression;
		char	   *problem;

		expression.name = string_of(table, tup, 1);
		expression.using_text = string_of(table, tup, 2);
		expression.check_text = string_of(table, tup, 3);
		expression.since = DatumGetTimestampTz(datum_of(table, tup, 4));
		native->policy_name = expression.name;
		native->polcmd = string_of(table, tup, 5)[0];
		native->permissive = DatumGetBool(datum_of(table, tup, 6));
		native->roles = DatumGetArrayTypePCopy(datum_of(table, tup, 7));
		if (past_parse(past, rel, &expression, &native->qual, &native->with_check_qual, &problem))
			policies = lappend(policies, native);
		else
			*problems = lappend(*problems, psprintf("native policy \"%s\": %s", expression.name, problem));
	}
	return policies;
}

/* The tags of a column, as a list of strings; NIL: none. */
List *
past_column_tags(const Past *past, Oid relid, AttrNumber attno)
{
	ListCell   *lc;

	if (past->tagged != relid)
	{
		Past	   *kept = unconstify(Past *, past);

		kept->tags = run_query_at(past,
								  "SELECT c.attnum, h.content ->> 'label'"
								  " FROM steward.history_at('column_tag', $1) h " RELATION_OF("h")
								  " JOIN LATERAL steward.columns_then(r.relation, h.since) c ON c.name_then::text = h.object[2]"
								  " WHERE r.relation::oid = $2", relid);
		kept->tagged = relid;
	}
	foreach(lc, past->tags->tuples)
	{
		if (DatumGetInt16(datum_of(past->tags, lfirst(lc), 1)) == attno)
			return mask_split_tags(string_of(past->tags, lfirst(lc), 2));
	}
	return NIL;
}

/* Masks of columns that are gone: name, column and mask, alternating. */
List *
past_lost_masks(const Past *past, Oid relid)
{
	FactTable  *table = run_query_at(past,
									 "SELECT h.object[2], h.content ->> 'column', h.content ->> 'using'"
									 " FROM steward.history_at('column_mask', $1) h " RELATION_OF("h")
									 " WHERE r.relation::oid = $2"
									 " AND NOT EXISTS (SELECT FROM steward.columns_then(r.relation, h.since) c"
									 "  WHERE c.name_then::text = (h.content ->> 'column'))"
									 " ORDER BY h.object[2]::name", relid);
	List	   *lost = NIL;
	ListCell   *lc;

	foreach(lc, table->tuples)
	{
		for (int attno = 1; attno <= 3; attno++)
			lost = lappend(lost, string_of(table, lfirst(lc), attno));
	}
	return lost;
}
