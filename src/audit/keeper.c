/*-------------------------------------------------------------------------
 *
 * keeper.c
 *	  The second worker of a database: does what may be slow or take locks.
 *
 * It is there only while it has something to do, so that a database costs one
 * worker slot most of the time: the launcher starts it when slot->keeper_due
 * has come, and it ends once nothing is due soon.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "audit/audit_internal.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#define MAX_TASKS		16
#define LINGER_MS		3000	/* it stays for what is due within */
#define RETRY_MS		5000	/* after an error */
#define PARTITIONS_MS	300000

typedef struct Task
{
	const char *name;
	int			every;			/* milliseconds */
	KeeperTask	run;
	TimestampTz due;
} Task;

PGDLLEXPORT void steward_keeper_main(Datum arg);

static Task tasks[MAX_TASKS];
static int	ntasks = 0;

/*
 * Hangs a task into the keeper's schedule.  It runs in a transaction of its
 * own with an active snapshot, as superuser, under safe settings; an error
 * ends it and is told, and it runs again later.  Called while libraries are
 * preloaded.
 */
void
keeper_add_task(const char *name, int every_ms, KeeperTask run)
{
	if (ntasks == MAX_TASKS)
		elog(FATAL, "too many tasks for the keeper");
	tasks[ntasks].name = name;
	tasks[ntasks].every = every_ms;
	tasks[ntasks].run = run;
	tasks[ntasks].due = 0;
	ntasks++;
}

/* Has the keeper of this database run its tasks at the next opportunity. */
void
keeper_wake(void)
{
	AuditSlot  *slot = audit_slot_of(MyDatabaseId, false);
	bool		runs;

	if (slot == NULL)
		return;
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	slot->keeper_due = 0;
	runs = slot->keeper_latch != NULL;
	if (runs)
		SetLatch(slot->keeper_latch);
	LWLockRelease(audit_slot_lock(slot));
	if (!runs)
		audit_wake_launcher();
}

/* Partitions ahead of what is written, so that a whole one is always there. */
static void
make_partitions(void)
{
	uint64		ahead = strtoul(GetConfigOption("steward.partition_records", false, false), NULL, 10);

	for (int code = 0; code < AUDIT_MAX_FORMATS; code++)
	{
		const LogFormat *format = ledger_format_by_code(code);

		if (format != NULL && OidIsValid(audit_table(format->name)))
			(void) ledger_make_partitions(format, ahead);
	}
}

/* In a task: what it has done so far is committed, and it goes on. */
void
keeper_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/*
 * Records whose time is over go, one partition a transaction: the lock on the
 * log is held only while one is dropped.
 */
static void
apply_retention(void)
{
	uint64		dropped;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		if (SPI_execute("SELECT FROM steward.apply_retention(1)", false, 0) != SPI_OK_SELECT)
			elog(ERROR, "retention could not be applied");
		dropped = SPI_processed;
		SPI_finish();
		keeper_commit();
	} while (dropped > 0);
}

static void
run_task(Task *task)
{
	task->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), task->every);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (installation_is_own())
			task->run();
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		HOLD_INTERRUPTS();
		EmitErrorReport();
		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		FlushErrorState();
		worker_note_error(error);
		FreeErrorData(error);
		AbortCurrentTransaction();
		LWLockReleaseAll();
		RESUME_INTERRUPTS();
		task->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Min(task->every, RETRY_MS));
	}
	PG_END_TRY();
	pgstat_report_stat(true);
}

/* The keeper's main function. */
void
steward_keeper_main(Datum arg)
{
	worker_connect();
	if (!worker_attach(true))
		proc_exit(0);
	pgstat_report_activity(STATE_IDLE, NULL);

	while (!worker_terminated())
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz next = TimestampTzPlusMilliseconds(now, PARTITIONS_MS);
		bool		asked;

		CHECK_FOR_INTERRUPTS();
		worker_reload();
		LWLockAcquire(audit_slot_lock(worker_slot), LW_EXCLUSIVE);
		asked = worker_slot->keeper_due == 0;
		worker_slot->keeper_due = PG_INT64_MAX;
		LWLockRelease(audit_slot_lock(worker_slot));

		for (int i = 0; i < ntasks && !worker_terminated(); i++)
		{
			if (asked || tasks[i].due <= now)
				run_task(&tasks[i]);
			next = Min(next, tasks[i].due);
		}

		LWLockAcquire(audit_slot_lock(worker_slot), LW_EXCLUSIVE);
		worker_slot->keeper_due = Min(worker_slot->keeper_due, next);
		LWLockRelease(audit_slot_lock(worker_slot));
		if (worker_slot->keeper_due != 0)
		{
			long		timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next);

			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 Min(timeout, LINGER_MS), audit_wait_event(AUDIT_WAIT_KEEPER));
			ResetLatch(MyLatch);
			if (worker_slot->keeper_due != 0 && timeout > LINGER_MS)
				break;
		}
	}
	proc_exit(0);
}

/* The keeper's own tasks. */
void
keeper_init(void)
{
	keeper_add_task("partitions", PARTITIONS_MS, make_partitions);
	keeper_add_task("retention", PARTITIONS_MS, apply_retention);
}
