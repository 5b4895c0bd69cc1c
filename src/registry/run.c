/*-------------------------------------------------------------------------
 *
 * run.c
 *	  Runs: the setting steward.run, which makes a session part of one, and
 *	  what a run reads and writes.
 *
 * The check of the setting looks the run up and keeps its purpose beside the
 * value, so that savepoints, RESET ALL and DISCARD ALL treat it as any
 * setting.  While it stands, the session's purpose is the run's: SET of
 * another one is refused, and RESET of steward.purpose changes nothing.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "registry/registry_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Columns of run, in the order of registry_run. */
#define Anum_run_purpose	4
#define Anum_run_ended_at	11

/* A run as the setting keeps it. */
typedef struct Run
{
	pg_uuid_t	id;
	bool		has_purpose;
	char		purpose[FLEXIBLE_ARRAY_MEMBER];
} Run;

static char *run_guc = NULL;
static const Run *run = NULL;

/* Looks a run up by the newest state; in one chunk that the setting will free. */
static Run *
find_run(const pg_uuid_t *id, bool *ended)
{
	Relation	rel = table_open(steward_table(TABLE_RUN), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Run		   *found = NULL;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	scan = systable_beginscan(rel, steward_index(TABLE_RUN), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		bool		running;
		Datum		value = heap_getattr(tuple, Anum_run_purpose, RelationGetDescr(rel), &isnull);
		char	   *purpose = isnull ? "" : TextDatumGetCString(value);

		(void) heap_getattr(tuple, Anum_run_ended_at, RelationGetDescr(rel), &running);
		*ended = !running;
		found = STEWARD_GUC_MALLOC(offsetof(Run, purpose) + strlen(purpose) + 1);
		if (found != NULL)
		{
			found->id = *id;
			found->has_purpose = !isnull;
			strcpy(found->purpose, purpose);
		}
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

/* Is the text a UUID? */
static bool
parse_uuid(const char *text, pg_uuid_t *id)
{
	int			digits = 0;

	for (const char *p = text; *p != '\0'; p++)
	{
		if (isxdigit((unsigned char) *p))
			digits++;
		else if (*p != '-')
			return false;
	}
	if (strlen(text) != 36 || digits != 32 ||
		text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
		return false;
	*id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	return true;
}

/* Checks a new value of steward.run: a run that goes on, of a purpose that the subject may use. */
static bool
check_run(char **newval, void **extra, GucSource source)
{
	pg_uuid_t	id;
	Run		   *found;
	bool		ended = false;

	if ((*newval)[0] == '\0')
		return true;

	/* A parallel worker notes nothing, and takes over its leader's purpose. */
	if (InitializingParallelWorker || IsParallelWorker())
		return true;
	if (!IsTransactionState() || !steward_is_created() || !steward_has_table(TABLE_RUN))
	{
		GUC_check_errmsg("a run can be joined within a session of a database with pg_steward only");
		return false;
	}
	if (!parse_uuid(*newval, &id))
	{
		GUC_check_errmsg("steward.run is no UUID");
		GUC_check_errhint("steward.begin_run() returns the one of a run.");
		return false;
	}
	found = find_run(&id, &ended);
	if (!steward_subject_has(STEWARD_ENGINEER))
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("role \"%s\" may not take part in runs", GetUserNameFromId(steward_outer_user(), false));
		GUC_check_errhint("It takes the rights of role \"%s\".", steward_role_name(STEWARD_ENGINEER));
		return false;
	}
	if (found == NULL || ended)
	{
		GUC_check_errcode(ERRCODE_UNDEFINED_OBJECT);
		GUC_check_errmsg("run %s is not running", *newval);
		GUC_check_errhint("It ended already, or never began.");
		return false;
	}
	if (found->has_purpose && !access_may_use_purpose(found->purpose))
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("purpose \"%s\" of run %s is not granted to role \"%s\"", found->purpose, *newval,
						 GetUserNameFromId(access_subject(), false));
		return false;
	}
	*extra = found;
	return true;
}

static void
assign_run(const char *newval, void *extra)
{
	run = extra;
}

/* For room access: is the session's purpose fixed, and to which? */
static bool
purpose_is_fixed(const char **purpose)
{
	if (run == NULL)
		return false;
	*purpose = run->has_purpose ? run->purpose : NULL;
	return true;
}

/* See registry.h. */
const pg_uuid_t *
registry_run_current(void)
{
	return run == NULL ? NULL : &run->id;
}

/* Defines the setting.  Called while libraries are preloaded. */
void
run_init(void)
{
	static const AccessQuestions answers = {purpose_is_fixed, registry_run_current};

	DefineCustomStringVariable("steward.run",
							   "The run of which the session is part.",
							   "What the session reads and writes then belongs to the run, and its purpose is that of the run.",
							   &run_guc,
							   "",
							   PGC_USERSET, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check_run, assign_run, NULL);
	access_ask(&answers);
}

/* ------------------------------------------------------------------------
 * What a run reads and writes
 * ------------------------------------------------------------------------
 */

/* Runs a statement that writes the tables of runs, as their owner. */
static void
note(const char *sql, int n, const char *const *args)
{
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	(void) registry_write(sql, n, args);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}

static char *
run_text(void)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&run->id)));
}

/* See registry.h. */
void
registry_run_reads(const char *relation, int64 rows, bool filtered, bool masked)
{
	const char *args[6];

	if (run == NULL || XactReadOnly)
		return;
	args[0] = run_text();
	args[1] = relation;
	args[2] = rows < 0 ? NULL : psprintf(INT64_FORMAT, rows);
	args[3] = filtered ? "true" : "false";
	args[4] = masked ? "true" : "false";
	args[5] = timestamptz_to_str(IsolationUsesXactSnapshot() ? GetCurrentTransactionStartTimestamp() :
								 GetCurrentStatementStartTimestamp());
	args[5] = pstrdup(args[5]);
	note("INSERT INTO steward.run_input AS i (run, relation, snapshot_at, row_count, filtered, masked) "
		 "SELECT r.id, $2, $6::pg_catalog.timestamptz, $3::pg_catalog.int8, $4::pg_catalog.bool, $5::pg_catalog.bool "
		 "FROM steward.run r WHERE r.id OPERATOR(pg_catalog.=) $1::pg_catalog.uuid AND r.ended_at IS NULL "
		 "ON CONFLICT ON CONSTRAINT run_input_pkey DO UPDATE SET observations = i.observations OPERATOR(pg_catalog.+) 1, "
		 "snapshot_at = excluded.snapshot_at, row_count = GREATEST(i.row_count, excluded.row_count), "
		 "filtered = i.filtered OR excluded.filtered, masked = i.masked OR excluded.masked",
		 lengthof(args), args);
}

/* See registry.h. */
void
registry_run_writes(const char *relation, int64 rows)
{
	const char *args[3];

	if (run == NULL || XactReadOnly)
		return;
	args[0] = run_text();
	args[1] = relation;
	args[2] = psprintf(INT64_FORMAT, Max(rows, 0));
	note("INSERT INTO steward.run_output AS o (run, relation, row_count) "
		 "SELECT r.id, $2, $3::pg_catalog.int8 FROM steward.run r "
		 "WHERE r.id OPERATOR(pg_catalog.=) $1::pg_catalog.uuid AND r.ended_at IS NULL "
		 "ON CONFLICT ON CONSTRAINT run_output_pkey DO UPDATE SET observations = o.observations OPERATOR(pg_catalog.+) 1, "
		 "last_written = pg_catalog.clock_timestamp(), row_count = o.row_count OPERATOR(pg_catalog.+) excluded.row_count",
		 lengthof(args), args);
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

STEWARD_FUNCTION(steward_current_run);
STEWARD_FUNCTION(steward_may_use_purpose);

/* current_run(): the run of which the session is part, or NULL. */
Datum
steward_current_run(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id;

	if (run == NULL)
		PG_RETURN_NULL();
	id = palloc(sizeof(pg_uuid_t));
	*id = run->id;
	PG_RETURN_UUID_P(id);
}

/* may_use_purpose(purpose): may the subject use it now? */
Datum
steward_may_use_purpose(PG_FUNCTION_ARGS)
{
	AcceptInvalidationMessages();
	PG_RETURN_BOOL(access_may_use_purpose(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
