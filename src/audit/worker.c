/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  What writer, keeper and probe have in common: how they start, and how they
 *	  learn that they are to end.
 *
 * SIGTERM of a worker comes from the postmaster (the server shuts down), from
 * a session that needs the database for itself (slot->stop is set: the worker
 * goes at once, also out of a wait for a lock), or from an administrator (it
 * ends what it is doing and goes; the launcher starts another).  None of them
 * loses a record: they stay in the queue until they are committed.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "audit/audit_internal.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/pidfile.h"

AuditSlot  *worker_slot = NULL;

static bool is_keeper = false;
static volatile sig_atomic_t terminated = false;

/*
 * The settings on which a worker's work depends.  What ALTER DATABASE, ALTER
 * ROLE or ALTER SYSTEM say must not weaken it.
 */
static const struct
{
	const char *name;
	const char *value;
}			safe_settings[] = {
	{"role", "none"},
	{"search_path", "pg_catalog, pg_temp"},
	{"synchronous_commit", "local"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"session_replication_role", "origin"},
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"idle_session_timeout", "0"},
	{"transaction_timeout", "0"},	/* from 17 on */
	{"check_function_bodies", "on"},
	{"default_table_access_method", "heap"},
	{"row_security", "off"},
	{"client_min_messages", "warning"},
	{"application_name", "pg_steward"}
};

static void
force_settings(void)
{
	for (int i = 0; i < lengthof(safe_settings); i++)
	{
		if (GetConfigOption(safe_settings[i].name, true, false) != NULL)
			SetConfigOption(safe_settings[i].name, safe_settings[i].value, PGC_SUSET, PGC_S_OVERRIDE);
	}
}

static void
handle_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	terminated = true;
	if (worker_slot != NULL && worker_slot->stop)
		die(postgres_signal_arg);
	SetLatch(MyLatch);
	errno = save_errno;
}

/* Was the worker asked to end, by a signal or through its slot? */
bool
worker_terminated(void)
{
	return terminated || (worker_slot != NULL && worker_slot->stop);
}

/* Does the server shut down?  Its pid file tells. */
bool
worker_server_stops(void)
{
	char		contents[8192];
	char	   *line = contents;
	int			fd = OpenTransientFile("postmaster.pid", O_RDONLY | PG_BINARY);
	int			len;

	if (fd < 0)
		return true;
	len = read(fd, contents, sizeof(contents) - 1);
	CloseTransientFile(fd);
	if (len <= 0)
		return true;
	contents[len] = '\0';
	for (int i = 1; i < LOCK_FILE_LINE_PM_STATUS && line != NULL; i++)
	{
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return line != NULL && strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
}

/* At exit, after what was open is aborted: another worker may come. */
static void
leave(int code, Datum arg)
{
	AuditSlot  *slot = worker_slot;

	if (slot == NULL)
		return;
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	if (is_keeper)
	{
		slot->keeper_pid = 0;
		slot->keeper_latch = NULL;
	}
	else
	{
		slot->writer_pid = 0;
		slot->writer_latch = NULL;
		slot->sleep = WRITER_AWAKE;
	}
	LWLockRelease(audit_slot_lock(slot));
	worker_slot = NULL;
	audit_wake_launcher();
}

/*
 * Connects to the database that the launcher chose, with settings that nobody
 * can weaken.
 */
void
worker_connect(void)
{
	Oid			dboid;

	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	memcpy(&dboid, MyBgworkerEntry->bgw_extra, sizeof(dboid));
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	force_settings();
}

/*
 * Takes the place of writer or keeper in the slot of the database.  False:
 * there is nothing to do here, or another one does it.
 */
bool
worker_attach(bool keeper)
{
	AuditSlot  *slot = audit_slot_of(MyDatabaseId, false);
	bool		attached = false;

	if (slot == NULL || audit_is_paused(MyDatabaseId, NULL))
		return false;
	is_keeper = keeper;
	on_shmem_exit(leave, (Datum) 0);
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	if (slot->dboid != MyDatabaseId || slot->stop)
		;
	else if (keeper && slot->keeper_pid == 0)
	{
		slot->keeper_pid = MyProcPid;
		slot->keeper_latch = MyLatch;
		attached = true;
	}
	else if (!keeper && slot->writer_pid == 0)
	{
		slot->writer_pid = MyProcPid;
		slot->writer_latch = MyLatch;
		slot->sleep = WRITER_AWAKE;
		attached = true;
	}
	if (attached)
		worker_slot = slot;
	LWLockRelease(audit_slot_lock(slot));
	return attached;
}

/* An error is told by status. */
void
worker_note_error(const ErrorData *error)
{
	AuditSlot  *slot = worker_slot;
	char		message[AUDIT_ERROR_LENGTH];

	strlcpy(message, error->message != NULL ? error->message : "", sizeof(message));
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	strlcpy(slot->last_error, message, sizeof(slot->last_error));
	slot->last_error_at = GetCurrentTimestamp();
	LWLockRelease(audit_slot_lock(slot));
}

/* Reads the configuration again where that was asked for. */
void
worker_reload(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}
