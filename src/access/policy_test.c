/*-------------------------------------------------------------------------
 *
 * policy_test.c
 *	  Runs what a role would run, for run_policy_tests().
 *
 * A test runs as stored SQL of the role (stored_sql.c): the planner does for
 * it what it does for the person; nothing is decided here a second time.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/mask.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* What a test asks, and what came of it. */
typedef struct PolicyTest
{
	Oid			role;
	char	   *purpose;		/* "" for none */
	char	   *query;			/* NULL: is the column masked? */
	Oid			relid;
	AttrNumber	attno;

	int64		rows;
	bool		masked;
	ErrorData  *error;			/* NULL: none */
} PolicyTest;

/* Does the role see a mask in the column, at least in some cells? */
static bool
sees_mask(Oid relid, AttrNumber attno)
{
	Oid			subject = access_subject();
	Oid			type;
	int32		typmod;
	Oid			collation;
	MaskResult	result;
	ListCell   *lc;

	if (steward_bypasses(subject) || !access_is_governed(relid))
		return false;
	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	(void) mask_column(relid, makeVar(1, attno, type, typmod, collation, 0), subject, &result);
	if (!result.masked || result.always)
		return result.masked;

	/* Every mask spares some purposes: does one not spare this? */
	foreach(lc, result.spared_by)
	{
		if (!gate_is_open(lfirst(lc), DT_NOBEGIN, DT_NOEND, purpose_effective(subject), wall_clock()))
			return true;
	}
	return false;
}

/* Runs the query and counts its rows. */
static int64
count_rows(const char *query)
{
	SPIExecuteOptions options;
	int64		rows;
	int			result;

	memset(&options, 0, sizeof(options));
	options.read_only = true;
	options.must_return_tuples = true;
	options.dest = None_Receiver;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute_extended(query, &options);
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the query of a test must be a SELECT")));
	rows = (int64) SPI_processed;
	SPI_finish();
	return rows;
}

/* Runs what a test asks, as its role. */
static void
ask(void *arg)
{
	PolicyTest *test = arg;

	if (test->query == NULL)
		test->masked = sees_mask(test->relid, test->attno);
	else
		test->rows = count_rows(test->query);
}

/* Runs a test as its role; errors of what is run end in test->error. */
static void
run_test(PolicyTest *test)
{
	StoredSql	sql = {.role = test->role,.purpose = test->purpose,.run = ask,.arg = test};

	access_run_stored(&sql);
	test->error = sql.error;
}

STEWARD_FUNCTION(steward_try_policy_test);

/*
 * try_policy_test(role, purpose, query, relation, attnum): runs the query as
 * the role for the purpose, or with none asks whether the column is masked;
 * rows, masked, sqlstate and message.
 */
Datum
steward_try_policy_test(PG_FUNCTION_ARGS)
{
	PolicyTest	test;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {true, true, true, true};

	if (steward_is_acting_as())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a test of policies cannot run tests of policies")));
	memset(&test, 0, sizeof(test));
	if (PG_ARGISNULL(0) || (PG_ARGISNULL(2) && (PG_ARGISNULL(3) || PG_ARGISNULL(4))))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a test has a role, and a query or a column")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	test.role = PG_GETARG_OID(0);
	test.purpose = PG_ARGISNULL(1) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(2))
		test.query = text_to_cstring(PG_GETARG_TEXT_PP(2));
	else
	{
		test.relid = PG_GETARG_OID(3);
		test.attno = PG_GETARG_INT16(4);
	}
	run_test(&test);

	if (test.error != NULL)
	{
		values[2] = CStringGetTextDatum(unpack_sql_state(test.error->sqlerrcode));
		values[3] = CStringGetTextDatum(test.error->message);
		nulls[2] = nulls[3] = false;
	}
	else if (test.query != NULL)
	{
		values[0] = Int64GetDatum(test.rows);
		nulls[0] = false;
	}
	else
	{
		values[1] = BoolGetDatum(test.masked);
		nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
