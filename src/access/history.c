/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Keeps the history of what governs relations.
 *
 * Triggers and hooks note which kinds of objects a transaction touches; when
 * it commits, what has changed since the last event of each object is written
 * (keep_history() in access_past--0.1--0.2.sql), by the clock of that moment.
 * What a transaction undid leaves no trace, and of several changes of an
 * object the last one counts: others never saw more.
 *
 * A prepared transaction writes when it is prepared.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/explain.h"
#include "access/genam.h"
#include "access/guard.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/cmdtag.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* In the order of HistoryKind. */
static const char *const kind_names[HISTORY_KIND_COUNT] = {
	"protected_relation", "row_policy", "column_mask", "tag_mask", "column_tag", "native_policy",
	"purpose", "purpose_grant", "role_attribute", "break_glass_grant", "trusted_object"
};

/* A policy of PostgreSQL that was made, altered or dropped. */
typedef struct TouchedPolicy
{
	Oid			relid;
	char	   *name;
} TouchedPolicy;

/* A column that got another name or went. */
typedef struct ColumnChange
{
	SubTransactionId subid;
	Oid			relid;
	char	   *old;
	char	   *new;			/* NULL: it was dropped */
} ColumnChange;

/* Expressions as they were written. */
typedef struct WrittenPolicy
{
	Oid			relid;
	char	   *name;
	char	   *using_text;
	char	   *check_text;		/* NULL: none */
} WrittenPolicy;

/* What this transaction touches; in TopTransactionContext. */
static bool touched = false;
static bool touched_kinds[HISTORY_KIND_COUNT];
static bool touched_by_restore = false;
static bool touched_otherwise = false;
static List *touched_policies = NIL;	/* of TouchedPolicy */
static List *column_changes = NIL;	/* of ColumnChange */
static List *written_policies = NIL;	/* of WrittenPolicy */
static char *changed_by = NULL;

/* ------------------------------------------------------------------------
 * Noting
 * ------------------------------------------------------------------------
 */

/* Has this database a history to keep? */
static bool
is_kept(void)
{
	return !IsBinaryUpgrade && IsTransactionState() && steward_has_table(TABLE_ACCESS_HISTORY_EVENT);
}

/* Something was touched, by whoever acts now. */
static void
touch(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	touched = true;
	changed_by = pstrdup(access_subject_name());
	MemoryContextSwitchTo(old);
}

/* Objects of the kind may have changed. */
void
history_touch(HistoryKind kind)
{
	if (!is_kept())
		return;
	touch();
	touched_otherwise = true;
	touched_kinds[kind] = true;
}

/* Objects of any kind may have changed. */
void
history_touch_everything(void)
{
	for (int kind = 0; kind < HISTORY_KIND_COUNT; kind++)
		history_touch((HistoryKind) kind);
}

/* The expressions of a policy as they were written. */
void
history_note_written(Oid relid, const char *policy, const char *using_text, const char *check_text)
{
	MemoryContext old;
	WrittenPolicy *written;

	if (!is_kept())
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	written = palloc(sizeof(WrittenPolicy));
	written->relid = relid;
	written->name = pstrdup(policy);
	written->using_text = pstrdup(using_text);
	written->check_text = check_text == NULL ? NULL : pstrdup(check_text);
	/* the newest first: it counts */
	written_policies = lcons(written, written_policies);
	MemoryContextSwitchTo(old);
}

/*
 * Does a restore write?  It COPYs into the tables, as a superuser and in no
 * function.
 */
static bool
is_restoring(void)
{
	Oid			userid;
	int			security;

	GetUserIdAndSecContext(&userid, &security);
	return ActivePortal != NULL && ActivePortal->commandTag == CMDTAG_COPY &&
		security == 0 && userid == GetOuterUserId() && superuser();
}

STEWARD_FUNCTION(steward_history_touched);

/* history_touched(kind): trigger on every table whose history is kept. */
Datum
steward_history_touched(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	int			kind = -1;

	if (!CALLED_AS_TRIGGER(fcinfo) || data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"history_touched\" must be called as a trigger of one argument")));
	for (int i = 0; i < HISTORY_KIND_COUNT; i++)
		if (strcmp(kind_names[i], data->tg_trigger->tgargs[0]) == 0)
			kind = i;
	if (kind < 0)
		elog(ERROR, "unrecognized kind \"%s\"", data->tg_trigger->tgargs[0]);
	if (!is_kept() || (touched_kinds[kind] && touched_otherwise && changed_by != NULL))
		return PointerGetDatum(NULL);

	touch();
	touched_kinds[kind] = true;
	if (kind == HISTORY_PROTECTED_RELATION)
		touched_kinds[HISTORY_COLUMN_TAG] = touched_kinds[HISTORY_NATIVE_POLICY] = true;
	if (is_restoring())
		touched_by_restore = true;
	else
		touched_otherwise = true;
	return PointerGetDatum(NULL);
}

/* Does the history speak of the relation? */
static bool
is_known_relation(Oid relid)
{
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	if (relid < FirstNormalObjectId || !steward_has_table(TABLE_ACCESS_HISTORY_RELATION))
		return false;
	rel = table_open(steward_table(TABLE_ACCESS_HISTORY_RELATION), AccessShareLock);
	ScanKeyInit(&key, 2, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, steward_index(TABLE_ACCESS_HISTORY_RELATION), true, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	/* One that this transaction has protected is not written down yet. */
	return found || guard_is_protected(relid);
}

/* A policy of PostgreSQL is made, altered or dropped. */
static void
policy_touched(Oid policyid, ObjectAccessType access)
{
	HeapTuple	tup = guard_fetch_new(PolicyRelationId, PolicyOidIndexId, Anum_pg_policy_oid, policyid);
	Form_pg_policy form;
	TouchedPolicy *policy;
	MemoryContext old;

	if (!HeapTupleIsValid(tup))
		return;
	form = (Form_pg_policy) GETSTRUCT(tup);
	if (!guard_is_protected(form->polrelid))
		return;

	/* Its old name is not to be had. */
	if (access == OAT_POST_ALTER)
		history_touch(HISTORY_NATIVE_POLICY);
	touch();
	touched_otherwise = true;
	old = MemoryContextSwitchTo(TopTransactionContext);
	policy = palloc(sizeof(TouchedPolicy));
	policy->relid = form->polrelid;
	policy->name = pstrdup(NameStr(form->polname));
	touched_policies = lappend(touched_policies, policy);
	MemoryContextSwitchTo(old);
}

/* A column gets another name, or (new is NULL) goes. */
static void
column_changed(Oid relid, const char *old_name, const char *new_name)
{
	MemoryContext old;
	ColumnChange *change;

	history_touch(HISTORY_ROW_POLICY);
	history_touch(HISTORY_COLUMN_MASK);
	history_touch(HISTORY_COLUMN_TAG);
	history_touch(HISTORY_NATIVE_POLICY);
	old = MemoryContextSwitchTo(TopTransactionContext);
	change = palloc(sizeof(ColumnChange));
	change->subid = GetCurrentSubTransactionId();
	change->relid = relid;
	change->old = pstrdup(old_name);
	change->new = new_name == NULL ? NULL : pstrdup(new_name);
	column_changes = lappend(column_changes, change);
	MemoryContextSwitchTo(old);
}

/* A column of a relation is altered: did it get another name? */
static void
column_altered(Oid relid, AttrNumber attnum)
{
	char	   *before = get_attname(relid, attnum, true);
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;
	char	   *now = NULL;

	ScanKeyInit(&key[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber,
				F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(rel, AttributeRelidNumIndexId, true, SnapshotSelf, 2, key);
	if (HeapTupleIsValid(tup = systable_getnext(scan)))
		now = pstrdup(NameStr(((Form_pg_attribute) GETSTRUCT(tup))->attname));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (before != NULL && now != NULL && strcmp(before, now) != 0 && is_known_relation(relid))
		column_changed(relid, before, now);
}

/* Called for each catalog object that a command makes, alters or drops. */
void
history_object_access(ObjectAccessType access, Oid classid, Oid objid, int subid)
{
	if (access == OAT_TRUNCATE || (access == OAT_POST_CREATE && classid != PolicyRelationId) || !is_kept())
		return;
	switch (classid)
	{
		case PolicyRelationId:
			policy_touched(objid, access);
			break;
		case RelationRelationId:
			if (subid > 0 && access == OAT_DROP)
			{
				char	   *name = get_attname(objid, subid, true);

				if (name != NULL && is_known_relation(objid))
					column_changed(objid, name, NULL);
			}
			else if (subid > 0)
				column_altered(objid, subid);
			else if (is_known_relation(objid))
			{
				touch();
				touched_otherwise = true;
			}
			else if (trust_any())
				history_touch(HISTORY_TRUSTED_OBJECT);
			break;
		case ProcedureRelationId:
			if (trust_any())
				history_touch(HISTORY_TRUSTED_OBJECT);
			break;
		case AuthIdRelationId:
			touch();
			touched_otherwise = true;
			break;
	}
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------
 */

/* Nothing is noted any more; the memory goes with the transaction. */
static void
forget(void)
{
	touched = touched_by_restore = touched_otherwise = false;
	memset(touched_kinds, 0, sizeof(touched_kinds));
	touched_policies = column_changes = written_policies = NIL;
	changed_by = NULL;
}

/* ,"name":"value", or null where value is NULL. */
static void
append_member(StringInfo buf, const char *name, const char *value)
{
	appendStringInfo(buf, ",\"%s\":", name);
	if (value == NULL)
		appendStringInfoString(buf, "null");
	else
		escape_json(buf, value);
}

static Datum
column_changes_as_json(void)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '[');
	foreach(lc, column_changes)
	{
		ColumnChange *change = lfirst(lc);

		appendStringInfo(&buf, "%s{\"relation\":%u", foreach_current_index(lc) > 0 ? "," : "", change->relid);
		append_member(&buf, "old", change->old);
		append_member(&buf, "new", change->new);
		appendStringInfoChar(&buf, '}');
	}
	appendStringInfoChar(&buf, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

static Datum
written_policies_as_json(void)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '[');
	foreach(lc, written_policies)
	{
		WrittenPolicy *written = lfirst(lc);

		appendStringInfo(&buf, "%s{\"relation\":%u", foreach_current_index(lc) > 0 ? "," : "", written->relid);
		append_member(&buf, "name", written->name);
		append_member(&buf, "using", written->using_text);
		append_member(&buf, "check", written->check_text);
		appendStringInfoChar(&buf, '}');
	}
	appendStringInfoChar(&buf, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

STEWARD_FUNCTION(steward_history_expression);

/*
 * history_expression(policy, check): as expressions are shown.  A transaction
 * that still sees a policy which another has dropped, perhaps with a table that
 * it reads, gets nothing.
 */
Datum
steward_history_expression(PG_FUNCTION_ARGS)
{
	HeapTuple	tup = guard_fetch_new(PolicyRelationId, PolicyOidIndexId, Anum_pg_policy_oid, PG_GETARG_OID(0));
	Relation	rel;
	Datum		d;
	bool		isnull;
	Oid			relid;

	if (!HeapTupleIsValid(tup))
		PG_RETURN_NULL();
	relid = ((Form_pg_policy) GETSTRUCT(tup))->polrelid;
	rel = table_open(PolicyRelationId, AccessShareLock);
	d = heap_getattr(tup, PG_GETARG_BOOL(1) ? Anum_pg_policy_polwithcheck : Anum_pg_policy_polqual,
					 RelationGetDescr(rel), &isnull);
	table_close(rel, AccessShareLock);
	if (isnull || get_rel_name(relid) == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(expression_in_sql(stringToNode(TextDatumGetCString(d)), relid)));
}

/* From here on the owner of the history acts, on whom no right is missing. */
void
history_act_as_owner(HistoryActor *before)
{
	HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(steward_table(TABLE_ACCESS_HISTORY_EVENT)));
	Oid			owner;

	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for the history");
	owner = ((Form_pg_class) GETSTRUCT(tup))->relowner;
	ReleaseSysCache(tup);
	GetUserIdAndSecContext(&before->userid, &before->security);
	SetUserIdAndSecContext(owner, before->security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

/* Ends it; an error ends it with the transaction. */
void
history_act_as_before(const HistoryActor *before)
{
	SetUserIdAndSecContext(before->userid, before->security);
}

/* Writes what the transaction has changed. */
static void
write_history(void)
{
	Oid			argtypes[] = {TEXTARRAYOID, OIDARRAYOID, TEXTARRAYOID, JSONBOID, JSONBOID,
	TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID};
	Datum		values[lengthof(argtypes)];
	char		nulls[lengthof(argtypes) + 1] = "        ";
	ArrayBuildState *kinds = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	ArrayBuildState *relations = initArrayResult(OIDOID, CurrentMemoryContext, false);
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	HistoryActor before;
	ListCell   *lc;

	for (int kind = 0; kind < HISTORY_KIND_COUNT; kind++)
		if (touched_kinds[kind])
			accumArrayResult(kinds, CStringGetTextDatum(kind_names[kind]), false, TEXTOID, CurrentMemoryContext);
	foreach(lc, touched_policies)
	{
		TouchedPolicy *policy = lfirst(lc);

		accumArrayResult(relations, ObjectIdGetDatum(policy->relid), false, OIDOID, CurrentMemoryContext);
		accumArrayResult(names, CStringGetTextDatum(policy->name), false, TEXTOID, CurrentMemoryContext);
	}
	values[0] = makeArrayResult(kinds, CurrentMemoryContext);
	values[1] = makeArrayResult(relations, CurrentMemoryContext);
	values[2] = makeArrayResult(names, CurrentMemoryContext);
	values[3] = column_changes_as_json();
	values[4] = written_policies_as_json();
	values[5] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[6] = CStringGetTextDatum(changed_by);
	values[7] = TimestampTzGetDatum(MyStartTimestamp);
	if (!touched_by_restore || touched_otherwise)
		nulls[7] = 'n';

	history_act_as_owner(&before);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute_with_args("SELECT steward.keep_history($1, $2, $3, $4, $5, $6, $7, $8)",
							  lengthof(argtypes), argtypes, values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "pg_steward: the history could not be written");
	PopActiveSnapshot();
	SPI_finish();
	history_act_as_before(&before);
}

/* The transaction is about to commit: what it changed comes into force. */
static void
at_end_of_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			/* DROP EXTENSION takes the history along. */
			if (touched && is_kept())
				write_history();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget();
			break;
		default:
			break;
	}
}

/* What a subtransaction renamed and rolled back has kept its name. */
static void
at_end_of_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	ListCell   *lc;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach(lc, column_changes)
	{
		if (((ColumnChange *) lfirst(lc))->subid >= subid)
			column_changes = foreach_delete_current(column_changes, lc);
	}
}

/* Watches transactions.  Called at server start. */
void
history_init(void)
{
	RegisterXactCallback(at_end_of_transaction, NULL);
	RegisterSubXactCallback(at_end_of_subtransaction, NULL);
}
