/*-------------------------------------------------------------------------
 *
 * presence.c
 *	  Notices that the server ran without the library.
 *
 * Without it nothing is logged, nor can it be told then.  So the postmaster
 * leaves a file when it has shut down, which names the last checkpoint in
 * pg_control.  Where the next start with the library finds another checkpoint,
 * or no such file, the server has run without in between; where it finds the
 * file that a start writes, the server crashed, and what came after cannot be
 * known.  The keeper of each database puts either into the change log, once.
 *
 * The file tells nothing to who can write it: that is whoever can stop the
 * server and change the data directory, and with it all else.
 *
 * Locking: the shared memory is written by the postmaster before there are
 * other processes, and is read from then on.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "audit/audit_internal.h"
#include "catalog/pg_control.h"
#include "catalog/pg_type.h"
#include "common/controldata_utils.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/builtins.h"

#define PRESENCE_FILE	"pg_steward.presence"
#define CHECK_MS		60000

typedef struct Presence
{
	bool		doubted;		/* the server may have run without the library */
	bool		crashed;		/* and all that is known is that it crashed */
	char		since[MAXPGPATH];	/* what the file said; "": there was none */
	char		found[64];		/* the checkpoint that was found */
} Presence;

static Presence *presence = NULL;

/* Has this keeper told its database? */
static bool is_told = false;

/* The last checkpoint of a server that was shut down; false where it was not. */
static bool
last_checkpoint(char *text, Size size)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	bool		stopped = crc_ok &&
	(control->state == DB_SHUTDOWNED || control->state == DB_SHUTDOWNED_IN_RECOVERY);

	snprintf(text, size, "%X/%X", LSN_FORMAT_ARGS(control->checkPoint));
	pfree(control);
	return stopped;
}

static void
write_file(const char *text)
{
	FILE	   *file = AllocateFile(PRESENCE_FILE ".tmp", PG_BINARY_W);

	if (file == NULL || fprintf(file, "%s\n", text) < 0 || FreeFile(file) != 0 ||
		durable_rename(PRESENCE_FILE ".tmp", PRESENCE_FILE, LOG) != 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", PRESENCE_FILE)));
}

/* The postmaster has shut everything down. */
static void
at_shutdown(int code, Datum arg)
{
	char		checkpoint[64];

	if (MyProcPid == PostmasterPid && last_checkpoint(checkpoint, sizeof(checkpoint)))
		write_file(checkpoint);
}

/* Shared memory. */
Size
presence_shmem_size(void)
{
	return sizeof(Presence);
}

/* Called in shmem_startup_hook, under AddinShmemInitLock. */
void
presence_shmem_init(void)
{
	static bool is_first = true;
	bool		found;
	FILE	   *file;
	bool		stopped;

	presence = ShmemInitStruct("pg_steward presence", sizeof(Presence), &found);
	if (found)
		return;
	memset(presence, 0, sizeof(Presence));

	/* Not when a crash of one process has the shared memory made anew. */
	if (!is_first || !IsPostmasterEnvironment || IsUnderPostmaster || IsBinaryUpgrade)
		return;
	is_first = false;
	stopped = last_checkpoint(presence->found, sizeof(presence->found));
	file = AllocateFile(PRESENCE_FILE, PG_BINARY_R);
	if (file != NULL)
	{
		if (fgets(presence->since, sizeof(presence->since), file) != NULL)
			presence->since[strcspn(presence->since, "\n")] = '\0';
		FreeFile(file);
	}
	presence->crashed = !stopped && strcmp(presence->since, "running") == 0;
	presence->doubted = !presence->crashed && strcmp(presence->since, presence->found) != 0;
	write_file("running");
	on_proc_exit(at_shutdown, (Datum) 0);
}

/*
 * Keeper: notes in the change log that the server ran without the library.  A
 * database that did not log by then has nothing to tell.
 */
static void
tell_absence(void)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[2];
	char		nulls[2] = {' ', ' '};

	if (is_told || presence == NULL || !presence->doubted || audit_state() != AUDIT_ACTIVE)
		return;
	values[0] = CStringGetTextDatum(presence->since);
	if (presence->since[0] == '\0')
		nulls[0] = 'n';
	values[1] = CStringGetTextDatum(presence->found);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT steward.record_change('server', 'pg_steward', 'library absent', "
							  "pg_catalog.jsonb_build_object('last_seen', $1), pg_catalog.jsonb_build_object('checkpoint', $2)) "
							  "WHERE (SELECT pg_catalog.max(coalesce(adopted_at, created_at)) FROM steward.installation) "
							  "OPERATOR(pg_catalog.<) pg_catalog.pg_postmaster_start_time() "
							  "AND NOT EXISTS (SELECT FROM steward.change_outbox o WHERE o.action OPERATOR(pg_catalog.=) 'library absent' AND (o.after OPERATOR(pg_catalog.->>) 'checkpoint') OPERATOR(pg_catalog.=) $2) "
							  "AND NOT EXISTS (SELECT FROM steward.change_log l WHERE l.action OPERATOR(pg_catalog.=) 'library absent' AND (l.after OPERATOR(pg_catalog.->>) 'checkpoint') OPERATOR(pg_catalog.=) $2)",
							  lengthof(types), types, values, nulls, false, 0) < 0)
		elog(ERROR, "pg_steward: the absence of the library could not be noted");
	SPI_finish();
	is_told = true;
}

/* Called once, while libraries are preloaded. */
void
presence_init(void)
{
	keeper_add_task("presence", CHECK_MS, tell_absence);
}
