/*-------------------------------------------------------------------------
 *
 * database.c
 *	  Workers stand in nobody's way: before a statement that needs a database,
 *	  or the extension, for itself, they go; where it fails, they come back.
 *
 * A pause is an entry in shared memory: while a session has one on a database,
 * no worker is started there.  It is made after the privileges that the
 * statement will ask for have been looked at: nobody stops the workers of a
 * database that is not his.  It ends with the transaction (or the
 * subtransaction, where that is rolled back), or with the session.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "audit/audit_internal.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define POLITE_MS	300			/* before workers are interrupted */
#define PATIENCE_MS 5000		/* the statement waits as long itself */

struct AuditPause
{
	Oid			dboid;			/* whose workers were stopped */
	bool		dropped;		/* the database is gone if it succeeds */
	const char *copy;			/* name of the database that it makes */
};

/* This session's pause; it has one at most. */
static Oid	paused = InvalidOid;
static SubTransactionId paused_in = InvalidSubTransactionId;

/* What is done when the transaction commits. */
static Oid	dropped_database = InvalidOid;
static bool extension_created = false;
static bool extension_dropped = false;
static char copied_database[NAMEDATALEN];

/* ------------------------------------------------------------------------
 * Pauses
 * ------------------------------------------------------------------------
 */

/* Are workers held off from the database?  By whom? */
bool
audit_is_paused(Oid dboid, pid_t *by)
{
	bool		found = false;

	LWLockAcquire(audit_control_lock(), LW_SHARED);
	for (int i = 0; i < AUDIT_MAX_PAUSES && !found; i++)
	{
		AuditPauseEntry *entry = &audit_control->pauses[i];

		found = entry->pid != 0 && entry->dboid == dboid;
		if (found && by != NULL)
			*by = entry->pid;
	}
	LWLockRelease(audit_control_lock());
	return found;
}

static void
set_stop(Oid dboid, bool stop)
{
	AuditSlot  *slot = audit_slot_of(dboid, false);

	if (slot == NULL)
		return;
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	slot->stop = stop;
	if (stop && slot->writer_latch != NULL)
		SetLatch(slot->writer_latch);
	if (stop && slot->keeper_latch != NULL)
		SetLatch(slot->keeper_latch);
	LWLockRelease(audit_slot_lock(slot));
}

/* Ends this session's pause. */
static void
resume(void)
{
	Oid			dboid = paused;

	if (!OidIsValid(dboid))
		return;
	paused = InvalidOid;
	LWLockAcquire(audit_control_lock(), LW_EXCLUSIVE);
	for (int i = 0; i < AUDIT_MAX_PAUSES; i++)
		if (audit_control->pauses[i].pid == MyProcPid)
			audit_control->pauses[i].pid = 0;
	LWLockRelease(audit_control_lock());
	if (!audit_is_paused(dboid, NULL))
		set_stop(dboid, false);
	audit_wake_launcher();
}

static void
resume_at_exit(int code, Datum arg)
{
	resume();
}

/* The workers of the database that still run; 0, 0: none. */
static void
workers_of(Oid dboid, pid_t *writer, pid_t *keeper)
{
	AuditSlot  *slot = audit_slot_of(dboid, false);

	*writer = *keeper = 0;
	if (slot == NULL)
		return;
	LWLockAcquire(audit_slot_lock(slot), LW_SHARED);
	*writer = slot->writer_pid;
	*keeper = slot->keeper_pid;
	LWLockRelease(audit_slot_lock(slot));
}

/*
 * Holds workers off from the database and waits until they are gone.  Where
 * that takes too long the statement goes on: it waits itself, and then says
 * who is in its way.
 */
static void
pause_workers(Oid dboid)
{
	static bool registered = false;
	pid_t		writer;
	pid_t		keeper;
	bool		entered = false;

	if (OidIsValid(paused))
		return;
	if (!registered)
		on_shmem_exit(resume_at_exit, (Datum) 0);
	registered = true;
	LWLockAcquire(audit_control_lock(), LW_EXCLUSIVE);
	for (int i = 0; i < AUDIT_MAX_PAUSES && !entered; i++)
	{
		AuditPauseEntry *entry = &audit_control->pauses[i];

		if (entry->pid != 0)
			continue;
		entry->dboid = dboid;
		entry->pid = MyProcPid;
		entered = true;
	}
	LWLockRelease(audit_control_lock());
	if (!entered)
		return;
	paused = dboid;
	paused_in = GetCurrentSubTransactionId();
	set_stop(dboid, true);

	for (int waited = 0; waited < PATIENCE_MS; waited += 5)
	{
		workers_of(dboid, &writer, &keeper);
		if (writer == 0 && keeper == 0)
			break;
		if (waited >= POLITE_MS && waited % POLITE_MS == 0)
		{
			if (writer != 0)
				kill(writer, SIGTERM);
			if (keeper != 0)
				kill(keeper, SIGTERM);
		}
		CHECK_FOR_INTERRUPTS();
		pg_usleep(5000);
	}
}

/* ------------------------------------------------------------------------
 * Statements
 * ------------------------------------------------------------------------
 */

static bool
may_create_databases(void)
{
	HeapTuple	tup;
	bool		result = false;

	if (superuser())
		return true;
	tup = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tup))
	{
		result = ((Form_pg_authid) GETSTRUCT(tup))->rolcreatedb;
		ReleaseSysCache(tup);
	}
	return result;
}

static bool
is_template(Oid dboid)
{
	HeapTuple	tup = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(dboid));
	bool		result = false;

	if (HeapTupleIsValid(tup))
	{
		result = ((Form_pg_database) GETSTRUCT(tup))->datistemplate;
		ReleaseSysCache(tup);
	}
	return result;
}

static AuditPause *
make_pause(Oid dboid)
{
	AuditPause *pause = palloc0(sizeof(AuditPause));

	pause->dboid = dboid;
	pause_workers(dboid);
	return pause;
}

/* DROP DATABASE, ALTER DATABASE … RENAME or SET TABLESPACE */
static AuditPause *
before_database(const char *name, bool needs_createdb)
{
	Oid			dboid = get_database_oid(name, true);

	if (!OidIsValid(dboid) || dboid == MyDatabaseId || !steward_owns_database(dboid) ||
		(needs_createdb && !may_create_databases()) || IsInTransactionBlock(true))
		return NULL;
	return make_pause(dboid);
}

static const char *
string_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

static AuditPause *
before_create_database(CreatedbStmt *stmt)
{
	const char *template = string_option(stmt->options, "template");
	Oid			dboid = get_database_oid(template != NULL ? template : "template1", true);
	AuditPause *pause;

	if (!OidIsValid(dboid) || audit_slot_of(dboid, false) == NULL || !may_create_databases() ||
		!(is_template(dboid) || steward_owns_database(dboid)) || IsInTransactionBlock(true))
		return NULL;
	pause = make_pause(dboid);
	pause->copy = stmt->dbname;
	return pause;
}

static AuditPause *
before_drop_extension(void)
{
	Oid			extension = get_extension_oid("pg_steward", true);

	if (!OidIsValid(extension) || !steward_owns_extension(extension))
		return NULL;
	return make_pause(MyDatabaseId);
}

static bool
names_extension(DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
		if (strcmp(strVal(lfirst(lc)), "pg_steward") == 0)
		return true;
	return false;
}

/* DROP OWNED: is the owner of the extension among the roles? */
static bool
drops_owner(DropOwnedStmt *stmt)
{
	Oid			extension = get_extension_oid("pg_steward", true);
	Oid			owner = InvalidOid;
	ListCell   *lc;
	HeapTuple	tup;

	if (!OidIsValid(extension) || stmt->behavior != DROP_CASCADE)
		return false;
	tup = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(steward_namespace()));
	if (HeapTupleIsValid(tup))
	{
		owner = ((Form_pg_namespace) GETSTRUCT(tup))->nspowner;
		ReleaseSysCache(tup);
	}
	foreach(lc, stmt->roles)
		if (get_rolespec_oid(lfirst(lc), true) == owner)
		return true;
	return false;
}

/* Called before a utility statement runs. */
AuditPause *
audit_before_utility(PlannedStmt *pstmt)
{
	Node	   *node = pstmt->utilityStmt;

	if (audit_control == NULL || RecoveryInProgress())
		return NULL;
	switch (nodeTag(node))
	{
		case T_DropdbStmt:
			{
				AuditPause *pause = before_database(((DropdbStmt *) node)->dbname, false);

				if (pause != NULL)
					pause->dropped = true;
				return pause;
			}
		case T_RenameStmt:
			if (((RenameStmt *) node)->renameType == OBJECT_DATABASE)
				return before_database(((RenameStmt *) node)->subname, true);
			return NULL;
		case T_AlterDatabaseStmt:
			if (string_option(((AlterDatabaseStmt *) node)->options, "tablespace") != NULL)
				return before_database(((AlterDatabaseStmt *) node)->dbname, false);
			return NULL;
		case T_CreatedbStmt:
			return before_create_database((CreatedbStmt *) node);
		case T_DropStmt:
			if (((DropStmt *) node)->removeType == OBJECT_EXTENSION && names_extension((DropStmt *) node))
				return before_drop_extension();
			return NULL;
		case T_DropOwnedStmt:
			if (drops_owner((DropOwnedStmt *) node))
				return before_drop_extension();
			return NULL;
		case T_AlterExtensionStmt:
			extension_created |= strcmp(((AlterExtensionStmt *) node)->extname, "pg_steward") == 0;
			return NULL;
		default:
			return NULL;
	}
}

/* Called after it, unless it failed. */
void
audit_after_utility(AuditPause *pause)
{
	if (pause == NULL)
		return;
	if (pause->dropped)
		dropped_database = pause->dboid;
	if (pause->copy != NULL)
		strlcpy(copied_database, pause->copy, NAMEDATALEN);
}

/* An extension is created or dropped, by whatever statement. */
void
audit_object_access(ObjectAccessType access, Oid classId, Oid objectId)
{
	char	   *name;

	if (classId != ExtensionRelationId)
		return;
	if (access == OAT_POST_CREATE)
		extension_created = true;	/* which one is looked at later */
	else if (access == OAT_DROP)
	{
		name = get_extension_name(objectId);
		if (name != NULL && strcmp(name, "pg_steward") == 0)
			extension_dropped = true;
	}
}

/* ------------------------------------------------------------------------
 * Ends of transactions
 * ------------------------------------------------------------------------
 */

/*
 * While one can still look things up: does the database have the extension
 * now?  Then it gets a slot.
 */
static void
before_commit(void)
{
	if (extension_created && OidIsValid(audit_table("writer_state")))
	{
		AuditSlot  *slot = audit_slot_of(MyDatabaseId, true);

		if (slot != NULL)
		{
			LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
			slot->state = SLOT_WANTED;
			LWLockRelease(audit_slot_lock(slot));
		}
		extension_dropped = false;
	}
	else
		extension_created = false;
	if (copied_database[0] != '\0')
	{
		Oid			copy = get_database_oid(copied_database, true);

		if (OidIsValid(copy))
			audit_request_probe(copy);
	}
}

static void
at_end(XactEvent event, void *arg)
{
	bool		committed = event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE;

	if (audit_control == NULL)
		return;
	if (event == XACT_EVENT_PRE_COMMIT)
	{
		if (extension_created || copied_database[0] != '\0')
			before_commit();
		return;
	}
	if (!committed && event != XACT_EVENT_ABORT)
		return;
	if (committed && OidIsValid(dropped_database))
		audit_slot_give_up(dropped_database);
	if (committed && extension_dropped)
		audit_slot_give_up(MyDatabaseId);
	if (committed && extension_created)
		audit_wake_launcher();
	dropped_database = InvalidOid;
	extension_created = extension_dropped = false;
	copied_database[0] = '\0';
	resume();
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mySubid,
					  SubTransactionId parentSubid, void *arg)
{
	if (!OidIsValid(paused) || paused_in != mySubid)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		extension_dropped = false;
		resume();
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		paused_in = parentSubid;
}

/* Registers the callbacks.  Called once, while libraries are preloaded. */
void
database_init(void)
{
	RegisterXactCallback(at_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
