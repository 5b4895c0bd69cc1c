/*-------------------------------------------------------------------------
 *
 * installation.c
 *	  Which installation this database is, and whether it logs.
 *
 * A row of steward.installation names the cluster (system identifier) and the
 * database for which the logs are kept.  The writer makes the first one with
 * the first record, so that a restore may fill the table before.  Where there
 * are rows and the latest names another cluster or database, this is a copy:
 * it is dormant until somebody adopts it.
 *
 * Sessions keep what they found; a trigger on the table has everybody look
 * again when a change of it commits.
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
#include "access/xlog.h"
#include "audit/audit_internal.h"
#include "catalog/indexing.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

/* Columns of steward.installation. */
#define Anum_installation_id				1
#define Anum_installation_system_identifier	2
#define Anum_installation_database			3
#define Anum_installation_timeline			4
#define Anum_installation_created_at		5
#define Anum_installation_adopted_at		6
#define Anum_installation_reason			7
#define Anum_installation_extension			8
#define Anum_installation_damage			9
#define Natts_installation					9

/* What this process found; forgotten when the table or the schema changes. */
static bool state_known = false;
static AuditState known_state = AUDIT_ABSENT;
static Oid	installation_oid = InvalidOid;

/* Will the workers be told when this transaction commits? */
static bool tell_at_commit = false;

/* OID of one of the room's tables, InvalidOid where it is not there. */
Oid
audit_table(const char *name)
{
	Oid			nsp = steward_namespace();

	return OidIsValid(nsp) ? get_relname_relid(name, nsp) : InvalidOid;
}

/* ------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------
 */

/* Reads the row in force; false where there is none. */
bool
installation_read(Installation *installation)
{
	Relation	rel = table_open(audit_table("installation"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	bool		found = false;
	HeapTuple	tup;

	while (HeapTupleIsValid(tup = heap_getnext(scan, ForwardScanDirection)))
	{
		Datum		values[Natts_installation];
		bool		nulls[Natts_installation];
		TimestampTz created_at;

		heap_deform_tuple(tup, RelationGetDescr(rel), values, nulls);
		created_at = DatumGetTimestampTz(values[Anum_installation_created_at - 1]);
		if (found && created_at < installation->created_at)
			continue;
		found = true;
		installation->id = *DatumGetUUIDP(values[Anum_installation_id - 1]);
		installation->system_identifier = (uint64) DatumGetInt64(values[Anum_installation_system_identifier - 1]);
		installation->database = DatumGetObjectId(values[Anum_installation_database - 1]);
		installation->extension = DatumGetObjectId(values[Anum_installation_extension - 1]);
		installation->timeline = DatumGetInt32(values[Anum_installation_timeline - 1]);
		installation->created_at = created_at;
		installation->damaged = !nulls[Anum_installation_damage - 1];
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * Is it the installation of this cluster, database and extension?  A dump that
 * is restored over the database that it was taken of brings another extension.
 */
bool
installation_matches(const Installation *installation)
{
	return installation->system_identifier == GetSystemIdentifier() &&
		installation->database == MyDatabaseId &&
		installation->extension == get_extension_oid("pg_steward", true);
}

/*
 * Has this database begun logs of its own?  Before, and in a copy, a restore
 * may be filling them.
 */
bool
installation_is_own(void)
{
	Installation installation;

	return OidIsValid(audit_table("installation")) &&
		installation_read(&installation) && installation_matches(&installation);
}

/*
 * Makes a row for this cluster and database; reason NULL: the first one; damage:
 * of its logs, which was accepted; NULL: none.
 */
void
installation_insert(const char *reason, const char *damage)
{
	Relation	rel = table_open(audit_table("installation"), RowExclusiveLock);
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[Natts_installation];
	bool		nulls[Natts_installation] = {false};
	pg_uuid_t	id;

	crypto_random_uuid(&id);
	values[Anum_installation_id - 1] = UUIDPGetDatum(&id);
	values[Anum_installation_system_identifier - 1] = Int64GetDatum((int64) GetSystemIdentifier());
	values[Anum_installation_database - 1] = ObjectIdGetDatum(MyDatabaseId);
	values[Anum_installation_extension - 1] = ObjectIdGetDatum(get_extension_oid("pg_steward", false));
	values[Anum_installation_timeline - 1] = Int32GetDatum((int32) GetWALInsertionTimeLine());
	values[Anum_installation_created_at - 1] = TimestampTzGetDatum(now);
	values[Anum_installation_adopted_at - 1] = TimestampTzGetDatum(now);
	nulls[Anum_installation_adopted_at - 1] = reason == NULL;
	nulls[Anum_installation_reason - 1] = reason == NULL;
	if (reason != NULL)
		values[Anum_installation_reason - 1] = CStringGetTextDatum(reason);
	nulls[Anum_installation_damage - 1] = damage == NULL;
	if (damage != NULL)
		values[Anum_installation_damage - 1] = CStringGetTextDatum(damage);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	CacheInvalidateRelcache(rel);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * Is a log shorter than the checkpoint that was kept beside the key?  Then the
 * database was restored to an older state.
 */
static bool
is_behind(void)
{
	for (int code = 0; code < AUDIT_MAX_FORMATS; code++)
	{
		const LogFormat *format = ledger_format_by_code(code);

		if (format != NULL && ledger_is_behind(format))
		{
			ereport(LOG,
					(errmsg("log \"%s\" is shorter than its last checkpoint: the database was restored to an older state", format->name),
					 errhint("A superuser lets it begin logs of its own with steward.adopt(reason).")));
			return true;
		}
	}
	return false;
}

/*
 * For the writer, in a transaction: does this database log?  With activate,
 * the first record is about to be written.
 */
AuditSlotState
installation_check(bool activate)
{
	Installation installation;

	if (!OidIsValid(audit_table("installation")))
		return SLOT_ABSENT;
	if (state_known && known_state == AUDIT_ACTIVE && activate)
		return SLOT_ACTIVE;
	if (!installation_read(&installation))
	{
		if (activate)
			installation_insert(NULL, NULL);
	}
	else if (!installation_matches(&installation) || (!activate && is_behind()))
		return SLOT_DORMANT;
	else if (activate)
	{
		installation_oid = audit_table("installation");
		known_state = AUDIT_ACTIVE;
		state_known = true;
	}
	return SLOT_ACTIVE;
}

/* ------------------------------------------------------------------------
 * Sessions
 * ------------------------------------------------------------------------
 */

/* Was the extension created by this very transaction? */
static bool
created_here(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	bool		here = rel->rd_createSubid != InvalidSubTransactionId;

	table_close(rel, AccessShareLock);
	return here;
}

/* Did the writer find that this database does not log? */
static bool
slot_is_dormant(void)
{
	AuditSlot  *slot = audit_my_slot(false);

	return slot != NULL && slot->state == SLOT_DORMANT;
}

/* Did the writer find that a log is damaged? */
static bool
slot_refuses(void)
{
	AuditSlot  *slot = audit_my_slot(false);

	for (int code = 0; slot != NULL && code < AUDIT_MAX_FORMATS; code++)
		if (slot->refused[code])
			return true;
	return false;
}

/* Does this database log?  Asked for every statement on governed relations. */
AuditState
audit_state(void)
{
	Installation installation;
	Oid			relid;

	/* pg_upgrade and a single-user server have no workers */
	if (!steward_is_created() || IsBinaryUpgrade || !IsUnderPostmaster)
		return AUDIT_ABSENT;
	if (RecoveryInProgress())
		return AUDIT_STANDBY;
	if (slot_is_dormant())
		return AUDIT_DORMANT;
	if (likely(state_known))
		return known_state;

	relid = audit_table("installation");
	if (!OidIsValid(relid) || created_here(relid))
		return AUDIT_ABSENT;
	installation_oid = relid;
	/* reading may bring the news that this is out of date again */
	state_known = true;
	known_state = !installation_read(&installation) || installation_matches(&installation) ?
		AUDIT_ACTIVE : AUDIT_DORMANT;
	return known_state;
}

/* Raises unless this database logs. */
void
audit_require_active(const char *what)
{
	switch (audit_state())
	{
		case AUDIT_ACTIVE:
			return;
		case AUDIT_DORMANT:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s is not available: this database is a copy that keeps no audit logs", what),
					 errdetail("Its logs belong to another cluster or database, or to a later state of this one."),
					 errhint("A superuser lets it begin logs of its own with steward.adopt(reason).")));
		case AUDIT_STANDBY:
			ereport(ERROR,
					(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
					 errmsg("%s is not available on a standby", what),
					 errhint("Ask the primary server.")));
		case AUDIT_ABSENT:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s is not available: this database has no audit logs", what),
					 errhint("Commit the transaction that created the extension, or update it with ALTER EXTENSION pg_steward UPDATE.")));
	}
}

/* A change of the table has committed: the writer looks again. */
static void
tell_writer(void)
{
	AuditSlot  *slot = audit_slot_of(MyDatabaseId, false);

	if (slot == NULL)
		return;
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	if (slot->state == SLOT_DORMANT || slot->state == SLOT_ACTIVE)
		slot->state = SLOT_WANTED;
	if (slot->writer_latch != NULL)
		SetLatch(slot->writer_latch);
	LWLockRelease(audit_slot_lock(slot));
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (tell_at_commit && event == XACT_EVENT_COMMIT)
		tell_writer();
	tell_at_commit = false;
}

STEWARD_FUNCTION(steward_installation_changed);

/* Trigger of steward.installation: everybody looks again. */
Datum
steward_installation_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "installation_changed() was not called as a trigger");
	CacheInvalidateRelcache(trigger->tg_relation);
	tell_at_commit = true;
	PG_RETURN_POINTER(NULL);
}

STEWARD_FUNCTION(steward_require_adoption);
STEWARD_FUNCTION(steward_begin_origin);

/* require_adoption(): raises unless the caller may adopt, and there is something to adopt */
Datum
steward_require_adoption(PG_FUNCTION_ARGS)
{
	Installation installation;

	steward_require_preload();
	PreventCommandIfReadOnly("adopt()");
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only a superuser may adopt a database")));
	if (!installation_read(&installation) ||
		(installation_matches(&installation) && !slot_is_dormant() && !slot_refuses() &&
		 installation.timeline == (int32) GetWALInsertionTimeLine()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is nothing to adopt"),
				 errdetail("The logs of this database are its own.")));
	PG_RETURN_VOID();
}

/* begin_origin(reason text, damage text): from the commit on the logs are this installation's */
Datum
steward_begin_origin(PG_FUNCTION_ARGS)
{
	char	   *reason = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *damage = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	LockRelationOid(audit_table("installation"), ShareRowExclusiveLock);
	(void) steward_require_adoption(fcinfo);	/* nobody was faster */
	installation_insert(reason, damage);
	tell_at_commit = true;
	PG_RETURN_VOID();
}

/* For room ledger: who signs checkpoints. */
static void
tell_identity(LedgerIdentity *identity)
{
	Installation installation;

	if (!installation_read(&installation) || !installation_matches(&installation))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has no installation of its own that could sign checkpoints"),
				 errhint("The first record makes one; a copy begins one with steward.adopt(reason).")));
	strlcpy(identity->installation,
			DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&installation.id))),
			sizeof(identity->installation));
	identity->timeline = GetWALInsertionTimeLine();
}

/*
 * For room ledger: does this session restore a dump?  pg_dump sets
 * check_function_bodies off; where the database has no installation of its own
 * (yet), logs may be filled.
 */
bool
audit_is_restoring(void)
{
	Installation installation;

	return !check_function_bodies &&
		(!installation_read(&installation) || !installation_matches(&installation));
}

/* For room ledger: did somebody adopt the logs although they are damaged? */
static bool
is_damage_accepted(void)
{
	Installation installation;

	return OidIsValid(audit_table("installation")) && installation_read(&installation) &&
		installation_matches(&installation) && installation.damaged;
}

static const LedgerHost host = {tell_identity, audit_is_restoring, is_damage_accepted};

static void
forget_state(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == installation_oid)
		state_known = false;
}

/* Registers the invalidation.  Called once, while libraries are preloaded. */
void
installation_init(void)
{
	steward_watch_relations(forget_state);
	RegisterXactCallback(at_transaction_end, NULL);
	ledger_set_host(&host);
}
