/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The one static background worker: sees to it that every database with the
 *	  extension has its writer, and its keeper when there is something to keep.
 *
 * It is connected to no database.  After start (and promotion: it does not run
 * before recovery has ended) it has each database looked into by a probe, a
 * short-lived worker; later the sessions tell: the one that created the
 * extension, made a copy of a database, or wants to put a record.  Who has a
 * slot gets a writer; a worker that ends too soon is started again after a
 * pause that grows.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "audit/audit_internal.h"
#include "catalog/pg_database.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"

#define SHORT_LIFE_MS	2000	/* a worker that ends sooner waits to be
								 * started again */
#define MAX_DELAY_MS	10000
#define LOOK_AGAIN_MS	60000
#define NO_SLOT_MS		1000	/* until a worker slot may have become free */

/* A worker that was started, or shall be. */
typedef struct Worker
{
	BackgroundWorkerHandle *handle; /* NULL: none runs that we know of */
	Oid			dboid;			/* for which it was started */
	TimestampTz started_at;
	TimestampTz not_before;		/* the next start */
	int			failures;
} Worker;

PGDLLEXPORT void steward_launcher_main(Datum arg);
PGDLLEXPORT void steward_probe_main(Datum arg);

static Worker *writers;
static Worker *keepers;
static Worker probe;
static List *to_probe = NIL;	/* of OIDs */
static bool slots_exhausted;

/* Tells the launcher to look around. */
void
audit_wake_launcher(void)
{
	Latch	   *latch;

	if (audit_control == NULL)
		return;
	LWLockAcquire(audit_control_lock(), LW_SHARED);
	latch = audit_control->launcher_latch;
	LWLockRelease(audit_control_lock());
	if (latch != NULL)
		SetLatch(latch);
}

/* Asks the launcher to find out whether a database has the extension. */
void
audit_request_probe(Oid dboid)
{
	LWLockAcquire(audit_control_lock(), LW_EXCLUSIVE);
	if (audit_control->nprobes < AUDIT_MAX_PROBES)
		audit_control->probes[audit_control->nprobes++] = dboid;
	else
		audit_control->probe_all = true;
	LWLockRelease(audit_control_lock());
	audit_wake_launcher();
}

/* ------------------------------------------------------------------------
 * The launcher
 * ------------------------------------------------------------------------
 */

/* All databases that one can connect to, but for templates. */
static List *
read_databases(void)
{
	List	   *result = NIL;
	MemoryContext context = CurrentMemoryContext;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tup;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tup = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tup);

		if (form->datallowconn && !form->datistemplate)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			result = lappend_oid(result, form->oid);
			MemoryContextSwitchTo(old);
		}
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return result;
}

/* Takes over what was asked for. */
static void
take_requests(void)
{
	bool		all;

	LWLockAcquire(audit_control_lock(), LW_EXCLUSIVE);
	all = audit_control->probe_all;
	audit_control->probe_all = false;
	for (int i = 0; i < audit_control->nprobes; i++)
		to_probe = list_append_unique_oid(to_probe, audit_control->probes[i]);
	audit_control->nprobes = 0;
	LWLockRelease(audit_control_lock());
	if (all)
		to_probe = list_concat_unique_oid(to_probe, read_databases());
}

/* Is the worker still there? */
static bool
runs(Worker *worker)
{
	pid_t		pid;

	if (worker->handle == NULL)
		return false;
	if (GetBackgroundWorkerPid(worker->handle, &pid) != BGWH_STOPPED)
		return true;
	pfree(worker->handle);
	worker->handle = NULL;
	if (TimestampDifferenceExceeds(worker->started_at, GetCurrentTimestamp(), SHORT_LIFE_MS))
		worker->failures = 0;
	else
	{
		worker->failures = Min(worker->failures + 1, 10);
		worker->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 Min(10L << worker->failures, MAX_DELAY_MS));
	}
	return false;
}

/* Starts a worker in the database, unless it has to wait for its turn. */
static void
start(Worker *worker, const char *kind, Oid dboid)
{
	BackgroundWorker w;

	if (worker->dboid != dboid)
	{
		worker->dboid = dboid;
		worker->failures = 0;
		worker->not_before = 0;
	}
	if (slots_exhausted || GetCurrentTimestamp() < worker->not_before)
		return;
	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = BGW_NEVER_RESTART;
	w.bgw_notify_pid = MyProcPid;
	strlcpy(w.bgw_library_name, "pg_steward", BGW_MAXLEN);
	snprintf(w.bgw_function_name, BGW_MAXLEN, "steward_%s_main", kind);
	snprintf(w.bgw_type, BGW_MAXLEN, "pg_steward %s", kind);
	snprintf(w.bgw_name, BGW_MAXLEN, "pg_steward %s of database %u", kind, dboid);
	memcpy(w.bgw_extra, &dboid, sizeof(dboid));
	worker->started_at = GetCurrentTimestamp();
	if (!RegisterDynamicBackgroundWorker(&w, &worker->handle))
	{
		worker->handle = NULL;
		slots_exhausted = true;
	}
}

/* Gives the database of one slot its writer, or the keeper that is due. */
static void
serve(int i, bool keeper)
{
	AuditSlot  *slot = &audit_control->slots[i];
	AuditSlotState state;
	Oid			dboid;
	bool		has_writer;
	bool		has_keeper;
	bool		keeper_due;

	LWLockAcquire(audit_control_lock(), LW_SHARED);
	LWLockAcquire(audit_slot_lock(slot), LW_SHARED);
	dboid = slot->dboid;
	state = slot->state;
	has_writer = slot->writer_pid != 0;
	has_keeper = slot->keeper_pid != 0;
	keeper_due = slot->keeper_due <= GetCurrentTimestamp();
	LWLockRelease(audit_slot_lock(slot));
	LWLockRelease(audit_control_lock());

	has_writer |= runs(&writers[i]);
	has_keeper |= runs(&keepers[i]);
	if (state == SLOT_FREE || state == SLOT_ABSENT || audit_is_paused(dboid, NULL))
		return;
	if (!keeper && !has_writer)
		start(&writers[i], "writer", dboid);
	if (keeper && !has_keeper && keeper_due && state == SLOT_ACTIVE)
		start(&keepers[i], "keeper", dboid);
}

/* Looks into the next database: one at a time, so that few slots suffice. */
static void
probe_next(void)
{
	while (!runs(&probe) && to_probe != NIL)
	{
		Oid			dboid = linitial_oid(to_probe);

		if (audit_slot_of(dboid, false) == NULL && !audit_is_paused(dboid, NULL))
		{
			probe.not_before = 0;
			start(&probe, "probe", dboid);
			if (probe.handle == NULL)
				return;
		}
		to_probe = list_delete_first(to_probe);
	}
}

/* How long until something is due, milliseconds. */
static long
time_to_sleep(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = TimestampTzPlusMilliseconds(now, slots_exhausted ? NO_SLOT_MS : LOOK_AGAIN_MS);

	for (int i = 0; i < audit_max_databases; i++)
	{
		AuditSlot  *slot = &audit_control->slots[i];

		if (slot->state == SLOT_FREE || slot->state == SLOT_ABSENT)
			continue;
		if (writers[i].handle == NULL && slot->writer_pid == 0 && writers[i].not_before > now)
			next = Min(next, writers[i].not_before);
		if (keepers[i].handle == NULL && slot->keeper_pid == 0)
			next = Min(next, Max(slot->keeper_due, keepers[i].not_before));
	}
	return Max(TimestampDifferenceMilliseconds(now, next), 10);
}

static void
forget_launcher(int code, Datum arg)
{
	LWLockAcquire(audit_control_lock(), LW_EXCLUSIVE);
	audit_control->launcher_pid = 0;
	audit_control->launcher_latch = NULL;
	LWLockRelease(audit_control_lock());
}

/* The launcher's main function. */
void
steward_launcher_main(Datum arg)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	writers = MemoryContextAllocZero(TopMemoryContext, mul_size(audit_max_databases, sizeof(Worker)));
	keepers = MemoryContextAllocZero(TopMemoryContext, mul_size(audit_max_databases, sizeof(Worker)));
	MemoryContextSwitchTo(TopMemoryContext);

	LWLockAcquire(audit_control_lock(), LW_EXCLUSIVE);
	audit_control->launcher_pid = MyProcPid;
	audit_control->launcher_latch = MyLatch;
	LWLockRelease(audit_control_lock());
	on_shmem_exit(forget_launcher, (Datum) 0);

	while (!ShutdownRequestPending)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		slots_exhausted = false;
		take_requests();
		/* writers first, where worker slots are few */
		for (int i = 0; i < audit_max_databases; i++)
			serve(i, false);
		probe_next();
		for (int i = 0; i < audit_max_databases; i++)
			serve(i, true);

		LWLockAcquire(audit_control_lock(), LW_EXCLUSIVE);
		audit_control->no_worker_slot = slots_exhausted;
		LWLockRelease(audit_control_lock());

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 time_to_sleep(), audit_wait_event(AUDIT_WAIT_LAUNCHER));
		ResetLatch(MyLatch);
	}

	/* Somebody may have ended us while the server goes on: come back. */
	proc_exit(1);
}

/*
 * The probe's main function: does the database have the extension?  Then it
 * gets a slot, and the launcher gives it a writer.
 */
void
steward_probe_main(Datum arg)
{
	bool		created;

	worker_connect();
	if (!audit_is_paused(MyDatabaseId, NULL))
	{
		StartTransactionCommand();
		created = OidIsValid(audit_table("writer_state"));
		CommitTransactionCommand();
		if (created && audit_slot_of(MyDatabaseId, true) == NULL)
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("no audit queue is free for database %u", MyDatabaseId),
					 errhint("Raise steward.max_databases and restart the server.")));
	}
	proc_exit(0);
}

/* Registers the launcher.  Called once, while libraries are preloaded. */
void
launcher_init(void)
{
	BackgroundWorker w;

	if (IsBinaryUpgrade)
		return;
	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = 1;
	strlcpy(w.bgw_library_name, "pg_steward", BGW_MAXLEN);
	strlcpy(w.bgw_function_name, "steward_launcher_main", BGW_MAXLEN);
	strlcpy(w.bgw_type, "pg_steward launcher", BGW_MAXLEN);
	strlcpy(w.bgw_name, "pg_steward launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&w);
}
