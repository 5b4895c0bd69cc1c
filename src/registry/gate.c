/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  Gates: conditions in SQL that are asked before a version reaches a stage.
 *
 * A gate runs as stored SQL of the role that created it (access_run_stored()).
 * Whatever keeps it from an answer (an error, no row, NULL, a timeout, a
 * creator who was dropped) means that it does not pass.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "registry/registry_internal.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MAX_SQL_LENGTH	65536
#define MAX_SHOWN		500		/* characters of measured and threshold */

static const char *const stages[] = {"draft", "candidate", "approved", "production", "retired"};

/* What a gate asks, and what it says. */
typedef struct GateRun
{
	const char *sql;
	const char *model;			/* NULL: it is only looked at */
	const char *version;
	MemoryContext context;		/* of the results */
	bool		passed;
	char	   *measured;
	char	   *threshold;
	const char *reason;			/* why there is no answer */
} GateRun;

/* Number of a stage; raises for one that is none. */
int
stage_number(const char *stage)
{
	if (stage == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("stage must not be null"),
				 errhint("Stages are candidate, approved, production and retired.")));
	for (int i = 0; i < lengthof(stages); i++)
		if (strcmp(stage, stages[i]) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown stage \"%.*s\"", pg_mbcharcliplen(stage, strlen(stage), 100), stage),
			 errhint("Stages are candidate, approved, production and retired.")));
	return 0;
}

/* ------------------------------------------------------------------------
 * Running one
 * ------------------------------------------------------------------------
 */

/* Raises unless the SQL is one SELECT of a boolean, or of three columns. */
static void
check_plan(SPIPlanPtr plan)
{
	List	   *sources = SPI_plan_get_plan_sources(plan);
	CachedPlanSource *source;
	ListCell   *lc;

	if (list_length(sources) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the check of a gate must be one statement")));
	source = linitial(sources);
	if (source->resultDesc == NULL || source->commandTag != CMDTAG_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the check of a gate must be a SELECT")));
	if ((source->resultDesc->natts != 1 && source->resultDesc->natts != 3) ||
		TupleDescAttr(source->resultDesc, 0)->atttypid != BOOLOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the check of a gate must return a boolean, or passed (a boolean), measured and threshold")));
	foreach(lc, source->relationOids)
		if (isAnyTempNamespace(get_rel_namespace(lfirst_oid(lc))))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the check of a gate cannot read temporary table \"%s\"", get_rel_name(lfirst_oid(lc)))));
}

/* A value of the answer, on at most so many characters. */
static char *
shown(GateRun *run, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	if (value == NULL)
		return NULL;
	value[pg_mbcharcliplen(value, strlen(value), MAX_SHOWN)] = '\0';
	return MemoryContextStrdup(run->context, value);
}

/* Asks the gate; called as its role. */
static void
ask(void *arg)
{
	GateRun    *run = arg;
	SPIPlanPtr	plan;
	Datum		values[2];

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(run->sql, 2, (Oid[]) {TEXTOID, TEXTOID});
	if (plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the check of a gate must be a SELECT")));
	check_plan(plan);
	if (run->model != NULL)
	{
		values[0] = CStringGetTextDatum(run->model);
		values[1] = CStringGetTextDatum(run->version);
		if (SPI_execute_plan(plan, values, NULL, true, 2) != SPI_OK_SELECT)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the check of a gate must be a SELECT")));
		if (SPI_processed != 1)
			run->reason = SPI_processed == 0 ? "it returned no row" : "it returned more than one row";
		else
		{
			bool		isnull;
			Datum		passed = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);

			if (isnull)
				run->reason = "it returned NULL";
			else
				run->passed = DatumGetBool(passed);
			if (SPI_tuptable->tupdesc->natts == 3)
			{
				run->measured = shown(run, 2);
				run->threshold = shown(run, 3);
			}
		}
	}
	SPI_finish();
}

/* What may be told of an error: messages of most classes can show values. */
static char *
told(ErrorData *error)
{
	const char *state = unpack_sql_state(error->sqlerrcode);

	if (strncmp(state, "42", 2) == 0 || strncmp(state, "0A", 2) == 0)
		return psprintf("error %s: %s", state, error->message);
	return psprintf("error %s", state);
}

/* Runs a gate as the role; with a version or, to look at it, without. */
static GateResult *
run_gate(const char *sql, Oid role, const char *purpose, int timeout_ms,
		 const char *model, const char *version, ErrorData **error)
{
	GateRun		run = {.sql = sql,.model = model,.version = version,.context = CurrentMemoryContext};
	StoredSql	stored = {.role = role,.purpose = purpose == NULL ? "" : purpose,
	.timeout_ms = timeout_ms,.run = ask,.arg = &run};
	GateResult *result = palloc0(sizeof(GateResult));

	/* It sees what is committed now, and what this transaction did. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	access_run_stored(&stored);
	PopActiveSnapshot();

	*error = stored.error;
	result->passed = run.passed && stored.error == NULL && !stored.timed_out && run.reason == NULL;
	result->measured = run.measured;
	result->threshold = run.threshold;
	if (stored.timed_out)
		result->reason = psprintf("it took longer than %d ms", timeout_ms);
	else if (stored.error != NULL)
		result->reason = told(stored.error);
	else if (run.reason != NULL)
		result->reason = pstrdup(run.reason);
	return result;
}

/*
 * Asks every gate of a stage, in the order of their names; GateResults.
 * Between registry_begin() and registry_end().
 */
List *
gates_ask(const char *model, const char *version, const char *stage)
{
	uint64		n = registry_execute("SELECT g.name, g.check_sql, g.required, "
									 "(pg_catalog.extract('epoch', g.timeout) OPERATOR(pg_catalog.*) 1000)::pg_catalog.int4, "
									 "g.purpose, r.oid "
									 "FROM ONLY steward.model_gate g LEFT JOIN ONLY steward.model_gate_author a ON a.gate OPERATOR(pg_catalog.=) g.name "
									 "LEFT JOIN pg_catalog.pg_authid r ON r.oid OPERATOR(pg_catalog.=) a.role "
									 "WHERE g.stage OPERATOR(pg_catalog.=) $1 ORDER BY g.name COLLATE \"C\"", 1, &stage);
	struct
	{
		char	   *column[6];
	}		   *gates = palloc(sizeof(*gates) * Max(n, 1));
	List	   *results = NIL;

	/* The next statement takes the result away. */
	for (uint64 i = 0; i < n; i++)
		for (int j = 0; j < 6; j++)
			gates[i].column[j] = registry_value(i, j + 1);
	for (uint64 i = 0; i < n; i++)
	{
		GateResult *result;
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		if (gates[i].column[5] == NULL)
		{
			result = palloc0(sizeof(GateResult));
			result->reason = pstrdup("the role that created it was dropped");
			ereport(WARNING,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("gate \"%s\" is disabled and passes nothing: the role that created it was dropped", gates[i].column[0]),
					 errhint("Drop it with steward.drop_gate() and create it anew.")));
		}
		else
			result = run_gate(gates[i].column[1], (Oid) strtoul(gates[i].column[5], NULL, 10), gates[i].column[4],
							  atoi(gates[i].column[3]), model, version, &error);
		result->name = gates[i].column[0];
		result->required = strcmp(gates[i].column[2], "t") == 0;
		results = lappend(results, result);
	}
	return results;
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

STEWARD_FUNCTION(steward_create_gate);
STEWARD_FUNCTION(steward_drop_gate);
STEWARD_FUNCTION(steward_check_gates);

/* create_gate(name, stage, check_sql, description, required, timeout) */
Datum
steward_create_gate(PG_FUNCTION_ARGS)
{
	char	   *name = registry_argument(fcinfo, 0);
	char	   *stage = registry_argument(fcinfo, 1);
	char	   *sql = registry_argument(fcinfo, 2);
	char	   *description = registry_argument(fcinfo, 3);
	const char *required;
	char	   *timeout;
	const char *purpose;
	Oid			role;
	ErrorData  *error;

	registry_require(STEWARD_OFFICER, STEWARD_ADMIN, STEWARD_ADMIN);
	if (PG_ARGISNULL(4) || PG_ARGISNULL(5) || sql == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s of a gate must not be null", sql == NULL ? "check_sql" : PG_ARGISNULL(4) ? "required" : "timeout")));
	if (strlen(sql) > MAX_SQL_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("check_sql of a gate is longer than %d bytes", MAX_SQL_LENGTH)));
	if (stage_number(stage) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no gate can stand before stage \"draft\""),
				 errhint("Stages are candidate, approved, production and retired.")));
	required = PG_GETARG_BOOL(4) ? "true" : "false";
	timeout = DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(5)));
	role = steward_outer_user();
	purpose = access_purpose();

	registry_begin("create_gate()");
	registry_execute("SELECT steward.check_name('name of a gate', $1), "
					 "steward.check_text(pg_catalog.format('description of gate \"%s\"', $1), $2, 10000, false)",
					 2, (const char *[]) {name, description});
	registry_execute("SELECT $1::pg_catalog.interval OPERATOR(pg_catalog.>=) '1 ms' AND $1::pg_catalog.interval OPERATOR(pg_catalog.<=) '1 day'",
					 1, (const char *[]) {timeout});
	if (strcmp(registry_value(0, 1), "t") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout of a gate must be between a millisecond and a day")));

	/* Its creator must be able to run it. */
	(void) run_gate(sql, role, purpose, 0, NULL, NULL, &error);
	if (error != NULL)
		ReThrowError(error);
	if (registry_write("INSERT INTO steward.model_gate (name, stage, check_sql, description, required, timeout, purpose, created_by) "
					   "VALUES ($1, $2, $3, $4, $5::pg_catalog.bool, $6::pg_catalog.interval, $7, $8) ON CONFLICT DO NOTHING",
					   8, (const char *[]) {name, stage, sql, description, required, timeout, purpose, registry_subject()}) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("gate \"%s\" exists already", name),
				 errhint("Drop it with steward.drop_gate(), or choose another name.")));
	registry_write("INSERT INTO steward.model_gate_author (gate, role) VALUES ($1, $2::pg_catalog.oid)",
				   2, (const char *[]) {name, psprintf("%u", role)});
	registry_end();
	PG_RETURN_VOID();
}

/* drop_gate(name, reason) */
Datum
steward_drop_gate(PG_FUNCTION_ARGS)
{
	char	   *name = registry_argument(fcinfo, 0);
	char	   *reason = registry_argument(fcinfo, 1);

	registry_require(STEWARD_OFFICER, STEWARD_ADMIN, STEWARD_ADMIN);
	registry_begin("drop_gate()");
	registry_check_reason("reason", reason, true);
	registry_write("DELETE FROM ONLY steward.model_gate_author WHERE gate OPERATOR(pg_catalog.=) $1", 1, (const char *[]) {name});
	if (registry_write("DELETE FROM ONLY steward.model_gate WHERE name OPERATOR(pg_catalog.=) $1", 1, (const char *[]) {name}) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("gate \"%s\" does not exist", name == NULL ? "" : name),
				 errhint("steward.model_gate lists the gates.")));
	registry_execute("SELECT steward.record_change('gate', $1, 'drop', NULL, pg_catalog.jsonb_build_object('reason', $2))",
					 2, (const char *[]) {name, reason});
	registry_end();
	PG_RETURN_VOID();
}

static Datum
text_or_null(const char *value, bool *isnull)
{
	*isnull = value == NULL;
	return value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

/* check_gates(model, version, stage) */
Datum
steward_check_gates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *model = registry_argument(fcinfo, 0);
	char	   *version = registry_argument(fcinfo, 1);
	char	   *stage = registry_argument(fcinfo, 2);
	MemoryContext context = CurrentMemoryContext;
	List	   *results;
	ListCell   *lc;

	steward_require_preload();
	if (!steward_subject_has(STEWARD_AUDITOR))
		registry_require(STEWARD_ENGINEER, STEWARD_OFFICER, STEWARD_ADMIN);
	(void) stage_number(stage);
	InitMaterializedSRF(fcinfo, 0);
	registry_begin("check_gates()");
	registry_require_version(model, version);
	MemoryContextSwitchTo(context);
	results = gates_ask(model, version, stage);
	foreach(lc, results)
	{
		GateResult *result = lfirst(lc);
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = CStringGetTextDatum(result->name);
		values[1] = BoolGetDatum(result->required);
		values[2] = BoolGetDatum(result->passed);
		values[3] = text_or_null(result->measured, &nulls[3]);
		values[4] = text_or_null(result->threshold, &nulls[4]);
		values[5] = text_or_null(result->reason, &nulls[5]);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	registry_end();
	return (Datum) 0;
}
