/*-------------------------------------------------------------------------
 *
 * ship.c
 *	  Sends checkpoints off the machine, by steward.checkpoint_command.
 *
 * A task of the keeper: the writer never waits for a command.  How far each
 * log's checkpoints were sent stands in steward.checkpoint_shipment, so that
 * every one is sent, in order, also after a restart; a command that fails is
 * run again later.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/xact.h"
#include "audit/audit_internal.h"
#include "catalog/pg_type.h"
#include "common/file_utils.h"
#include "executor/spi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#define SHIP_MS			60000
#define SHIP_AT_ONCE	100		/* checkpoints, before the keeper looks around */

static char *checkpoint_command = NULL;

/* The command with %p, %l and %% replaced. */
static char *
build_command(const char *path, const char *log)
{
	StringInfoData command;

	initStringInfo(&command);
	for (const char *c = checkpoint_command; *c != '\0'; c++)
	{
		if (c[0] != '%' || c[1] == '\0')
			appendStringInfoChar(&command, *c);
		else if (*++c == 'p')
			appendStringInfoString(&command, path);
		else if (*c == 'l')
			appendStringInfoString(&command, log);
		else if (*c == '%')
			appendStringInfoChar(&command, '%');
		else
			appendStringInfo(&command, "%%%c", *c);
	}
	return command.data;
}

/*
 * Runs the command; it is ended when the keeper is to go.  Returns what waitpid
 * tells, -1 where it was ended.
 */
static int
run_command(const char *command)
{
	pid_t		child;
	int			status;

	fflush(NULL);
	child = fork();
	if (child < 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not run the checkpoint command: %m")));
	if (child == 0)
	{
		(void) setpgid(0, 0);
		pqsignal(SIGTERM, SIG_DFL);
		pqsignal(SIGINT, SIG_DFL);
		pqsignal(SIGUSR1, SIG_DFL);
		sigprocmask(SIG_SETMASK, &UnBlockSig, NULL);
		execl("/bin/sh", "sh", "-c", command, (char *) NULL);
		_exit(127);
	}
	for (;;)
	{
		pid_t		got = waitpid(child, &status, WNOHANG);

		if (got == child)
			return status;
		if (got < 0 && errno != EINTR)
			ereport(ERROR,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("could not wait for the checkpoint command: %m")));
		if (worker_terminated())
		{
			(void) kill(-child, SIGTERM);
			(void) waitpid(child, &status, 0);
			return -1;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20,
						 audit_wait_event(AUDIT_WAIT_KEEPER));
		ResetLatch(MyLatch);
	}
}

/* Writes the note where the command finds it; returns the path. */
static char *
write_note(const LogFormat *format, const char *note, Size len)
{
	char	   *path = psprintf("base/%s/%s_steward_%u_%s", PG_TEMP_FILES_DIR, PG_TEMP_FILE_PREFIX,
								MyDatabaseId, format->name);
	FILE	   *file;

	(void) MakePGDirectory("base/" PG_TEMP_FILES_DIR);
	file = AllocateFile(path, PG_BINARY_W);
	if (file == NULL || fwrite(note, 1, len, file) != len || FreeFile(file) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", path)));
	return path;
}

/* Sends the next checkpoint of a log; false where there is none. */
static bool
ship_next(const LogFormat *format)
{
	Oid			types[2] = {INT4OID, INT8OID};
	Datum		values[2] = {Int32GetDatum(format->code)};
	bool		isnull;
	int64		size;
	bytea	   *note;
	char	   *path;
	int			status;

	if (SPI_execute_with_args("SELECT c.size, c.note FROM steward.checkpoint_record c"
							  " WHERE c.log OPERATOR(pg_catalog.=) $1 AND c.size OPERATOR(pg_catalog.>)"
							  " coalesce((SELECT s.size FROM steward.checkpoint_shipment s WHERE s.log OPERATOR(pg_catalog.=) $1), -1)"
							  " ORDER BY c.size, c.signed_at DESC LIMIT 1",
							  1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "the checkpoints cannot be read");
	if (SPI_processed == 0)
		return false;
	size = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	note = DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));

	path = write_note(format, VARDATA_ANY(note), VARSIZE_ANY_EXHDR(note));
	status = run_command(build_command(path, format->name));
	(void) unlink(path);
	if (status == -1)
		return false;
	if (status != 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 WIFEXITED(status) ?
				 errmsg("steward.checkpoint_command failed with exit code %d for log \"%s\"", WEXITSTATUS(status), format->name) :
				 errmsg("steward.checkpoint_command was terminated by signal %d for log \"%s\"", WTERMSIG(status), format->name)));

	values[1] = Int64GetDatum(size);
	if (SPI_execute_with_args("INSERT INTO steward.checkpoint_shipment AS s (log, size, shipped_at)"
							  " VALUES ($1, $2, pg_catalog.clock_timestamp())"
							  " ON CONFLICT (log) DO UPDATE SET size = excluded.size, shipped_at = excluded.shipped_at",
							  2, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "the shipment of a checkpoint cannot be noted");
	return true;
}

/* Sends the checkpoints that were not sent yet. */
static void
ship_checkpoints(void)
{
	if (checkpoint_command == NULL || checkpoint_command[0] == '\0')
		return;
	for (int code = 0; code < AUDIT_MAX_FORMATS; code++)
	{
		const LogFormat *format = ledger_format_by_code(code);

		if (format == NULL || !OidIsValid(audit_table(format->name)))
			continue;
		for (int i = 0; i < SHIP_AT_ONCE && !worker_terminated(); i++)
		{
			bool		shipped;

			SPI_connect();
			shipped = ship_next(format);
			SPI_finish();
			if (!shipped)
				break;

			/* what was sent stays sent, whatever becomes of the next */
			keeper_commit();
		}
	}
}

/* Is there a command that wants to know of each checkpoint? */
bool
ship_wanted(void)
{
	return checkpoint_command != NULL && checkpoint_command[0] != '\0';
}

/* Defines the setting and hangs the task into the keeper's schedule. */
void
ship_init(void)
{
	DefineCustomStringVariable("steward.checkpoint_command",
							   "Shell command that sends a checkpoint off the machine.",
							   "%p is the path of a file with the checkpoint, %l the name of the log; "
							   "it must return zero only if it succeeded.",
							   &checkpoint_command,
							   "",
							   PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
	keeper_add_task("checkpoints", SHIP_MS, ship_checkpoints);
}
