/*-------------------------------------------------------------------------
 *
 * stored_sql.c
 *	  Runs SQL that somebody stored, as the role that stored it.
 *
 * It runs in a subtransaction that is always rolled back, read-only, as a
 * security-restricted operation of the role: PostgreSQL checks the role's
 * privileges, and for us the role is the one that opened the session (see
 * steward_act_as()).  So the planner does for it what it does for the person;
 * nothing is decided here a second time.
 *
 * What the caller's session could bend it with is pinned: the path along
 * which names are found, and how moments are read and written.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/token_internal.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"

static TimeoutId timeout = MAX_TIMEOUTS;
static volatile sig_atomic_t timed_out = false;

/* Called in a signal handler. */
static void
cancel(void)
{
	timed_out = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/* A setting for the subtransaction. */
static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

static void
start_timeout(int milliseconds)
{
	if (milliseconds <= 0)
		return;
	if (timeout == MAX_TIMEOUTS)
		timeout = RegisterTimeout(USER_TIMEOUT, cancel);
	enable_timeout_after(timeout, milliseconds);
}

/* Ends it; a cancellation that it asked for and nobody took reaches nobody else. */
static void
stop_timeout(int milliseconds)
{
	if (milliseconds <= 0)
		return;
	disable_timeout(timeout, false);
	if (timed_out)
		QueryCancelPending = false;
}

/* See access.h. */
void
access_run_stored(StoredSql *sql)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	List	   *subjects;

	if (steward_is_acting_as())
		elog(ERROR, "stored SQL cannot run within stored SQL");
	sql->error = NULL;
	timed_out = false;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	subjects = subject_test_begin(sql->role);
	PG_TRY();
	{
		/* The session's token is not the role's. */
		identity_set("", true);
		SetUserIdAndSecContext(sql->role, SECURITY_RESTRICTED_OPERATION);
		set_local("search_path", "pg_catalog, pg_temp");
		set_local("timezone", "UTC");
		set_local("datestyle", "ISO, YMD");
		set_local("intervalstyle", "postgres");
		set_local("row_security", "on");
		set_local("steward.purpose", sql->purpose);
		set_local("transaction_read_only", "on");
		/* Workers would not know whom it acts as. */
		set_local("max_parallel_workers_per_gather", "0");
		start_timeout(sql->timeout_ms);
		sql->run(sql->arg);
		stop_timeout(sql->timeout_ms);
	}
	PG_CATCH();
	{
		stop_timeout(sql->timeout_ms);
		MemoryContextSwitchTo(context);
		sql->error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	/* Gives the session its role, settings and SPI level back. */
	subject_test_end(subjects);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	sql->timed_out = timed_out;

	/* Who had it run wants it to end. */
	if (sql->error != NULL && !sql->timed_out &&
		(sql->error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		 sql->error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN))
		ReThrowError(sql->error);
}
