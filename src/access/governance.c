/*-------------------------------------------------------------------------
 *
 * governance.c
 *	  What governs a relation: read from the policy tables and from the
 *	  native policies that carry the expressions, cached, invalidated.
 *
 * The tables are read with catalog snapshots, so that a policy written by
 * another session holds at once, under any isolation level.  A cache entry
 * lives in a memory context of its own; an invalidation only marks it, and
 * the next look-up rebuilds it.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/genam.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/mask.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "rewrite/rowsecurity.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Columns of the tables read here, in the order of access.sql. */
#define Anum_protected_relation_relation	1
#define Anum_protected_relation_mode		2
#define Anum_protected_relation_audit		3
#define Anum_protected_relation_entity		4
#define Anum_row_policy_relation			1
#define Anum_row_policy_name				2
#define Anum_row_policy_effect				3
#define Anum_row_policy_commands			4
#define Anum_row_policy_purposes			5
#define Anum_row_policy_valid_from			6
#define Anum_row_policy_valid_until			7
#define Anum_row_policy_author_relation		1
#define Anum_row_policy_author_policy		2
#define Anum_row_policy_author_role			3
#define Anum_row_policy_role_relation		1
#define Anum_row_policy_role_policy			2
#define Anum_row_policy_role_role			3

typedef struct GovernanceEntry
{
	Oid			relid;			/* hash key */
	bool		valid;
	bool		governed;		/* known before the policies are read */
	const void *native_of;		/* the rd_rsdesc of which ... */
	bool		has_native;		/* ... this is known: policies of its users */
	MemoryContext context;		/* NULL while there is nothing to keep */
	Governance	governance;
} GovernanceEntry;

static HTAB *entries = NULL;

/* Relations of which governed entries and entries with ancestors depend. */
static HTAB *tracked = NULL;

/*
 * What invalidated entries held.  Somebody up the stack may still be reading
 * it, so it is kept until the transaction ends.
 */
static List *retired_contexts = NIL;

/* Is any relation protected at all? */
static bool any_known = false;
static bool any_protected = false;

/* Hash by which plancache.c finds plans over governed relations; 0: none yet. */
static uint32 plan_hash = 0;
static bool plan_hash_known = false;

static const struct
{
	const char *name;
	int			command;
}			commands[] = {
	{"select", COMMAND_SELECT},
	{"insert", COMMAND_INSERT},
	{"update", COMMAND_UPDATE},
	{"delete", COMMAND_DELETE},
	{"all", COMMAND_ALL},
};

/* The bits of a command's name; 0 where it is none. */
int
command_from_name(const char *name)
{
	for (int i = 0; i < lengthof(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].command;
	return 0;
}

/* The name of one command. */
const char *
command_name(int command)
{
	for (int i = 0; i < lengthof(commands); i++)
		if (commands[i].command == command)
			return commands[i].name;
	elog(ERROR, "unrecognized command %d", command);
	return NULL;
}

/* ------------------------------------------------------------------------
 * Invalidation
 * ------------------------------------------------------------------------
 */

/* Counts the times that something of it was forgotten. */
static uint64 generation = 1;

/* Two equal answers: what governs relations has not changed between. */
uint64
governance_generation(void)
{
	return generation;
}

static void
invalidate_all(void)
{
	HASH_SEQ_STATUS status;
	GovernanceEntry *entry;

	generation++;
	any_known = false;
	if (entries == NULL)
		return;
	hash_seq_init(&status, entries);
	while ((entry = hash_seq_search(&status)) != NULL)
		entry->valid = false;
}

static void
forget_by_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || !steward_is_known() ||
		relid == steward_known_table(TABLE_PROTECTED_RELATION) ||
		relid == steward_known_table(TABLE_ROW_POLICY) ||
		relid == steward_known_table(TABLE_ROW_POLICY_AUTHOR) ||
		relid == steward_known_table(TABLE_ROW_POLICY_ROLE) ||
		(relid >= FirstNormalObjectId &&
		 (relid == steward_known_table(TABLE_COLUMN_MASK) ||
		  relid == steward_known_table(TABLE_COLUMN_MASK_ROLE) ||
		  relid == steward_known_table(TABLE_COLUMN_MASK_AUTHOR) ||
		  relid == steward_known_table(TABLE_TAG_MASK) ||
		  relid == steward_known_table(TABLE_TAG_MASK_ROLE))))
		invalidate_all();
	else if (entries != NULL)
	{
		GovernanceEntry *entry;

		if (hash_search(tracked, &relid, HASH_FIND, NULL) != NULL)
		{
			invalidate_all();
			return;
		}
		entry = hash_search(entries, &relid, HASH_FIND, NULL);
		if (entry != NULL)
		{
			generation++;
			entry->valid = false;
		}
	}
}

/*
 * Plans over governed relations become useless in this backend: the subject
 * has changed in a way that plancache.c does not see.  Cheap, raises nothing
 * and reads no catalog, for it is called from assign hooks and callbacks.
 *
 * Each such plan depends on one function of ours (enforce.c); telling
 * plancache.c that the function changed hits exactly those plans.
 */
void
plans_forget(void)
{
	if (plan_hash_known)
		CallSyscacheCallbacks(PROCOID, plan_hash);
}

/* The hash of the function on which plans over governed relations depend. */
uint32
plans_dependency(void)
{
	Oid			args[] = {TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID};
	Oid			gate = steward_function("policy_gate", lengthof(args), args);

	/* Each time: the extension may have been dropped and created again. */
	plan_hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(gate));
	plan_hash_known = true;
	return plan_hash;
}

/*
 * What governs a relation has changed: every backend forgets it when the
 * transaction commits.
 */
void
governance_changed(Oid relid)
{
	Oid			marker = steward_table(TABLE_PROTECTED_RELATION);

	CacheInvalidateRelcacheByRelid(relid);

	/* Plans over governed relations depend on this table (enforce.c). */
	if (relid != marker)
		CacheInvalidateRelcacheByRelid(marker);
}

STEWARD_FUNCTION(steward_governance_changed);

/* governance_changed(): statement trigger on every table of governance. */
Datum
steward_governance_changed(PG_FUNCTION_ARGS)
{
	Oid			relid;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"governance_changed\" must be called as a trigger")));
	relid = RelationGetRelid(((TriggerData *) fcinfo->context)->tg_relation);

	policy_revision_count();

	/* While the install script or a restore runs, not all tables exist. */
	if (!steward_is_created() ||
		relid == steward_table(TABLE_PURPOSE) ||
		relid == steward_table(TABLE_PURPOSE_GRANT) ||
		relid == steward_table(TABLE_ISSUER) ||
		relid == steward_table(TABLE_TOKEN_REQUIREMENT) ||
		relid == steward_table(TABLE_MASK_KEY) ||
		(relid == steward_table(TABLE_ROLE_ATTRIBUTE) && !trust_any()))
		CacheInvalidateRelcacheByRelid(relid);	/* read at each execution */
	else
		governance_changed(relid);
	return PointerGetDatum(NULL);
}

static void
retire_context(MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	retired_contexts = lappend(retired_contexts, context);
	MemoryContextSwitchTo(old);
}

static void
delete_retired_contexts(XactEvent event, void *arg)
{
	ListCell   *lc;

	if (retired_contexts == NIL ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	foreach(lc, retired_contexts)
		MemoryContextDelete(lfirst(lc));
	list_free(retired_contexts);
	retired_contexts = NIL;
}

/* A role that wrote a policy may have been dropped. */
static void
forget_by_role(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidate_all();
}

/* Registers the invalidations.  Called at server start. */
void
governance_init(void)
{
	CacheRegisterSyscacheCallback(AUTHOID, forget_by_role, (Datum) 0);
	RegisterXactCallback(delete_retired_contexts, NULL);
	steward_watch_relations(forget_by_relation);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

/* The relations of which relid is a partition or child, at any depth. */
List *
governance_ancestors(Oid relid)
{
	List	   *ancestors = NIL;
	List	   *todo = list_make1_oid(relid);
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);

	while (todo != NIL)
	{
		Oid			child = linitial_oid(todo);
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tup;

		todo = list_delete_first(todo);
		ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(child));
		scan = systable_beginscan(rel, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
		while (HeapTupleIsValid(tup = systable_getnext(scan)))
		{
			Oid			parent = ((Form_pg_inherits) GETSTRUCT(tup))->inhparent;

			if (!list_member_oid(ancestors, parent))
			{
				ancestors = lappend_oid(ancestors, parent);
				todo = lappend_oid(todo, parent);
			}
		}
		systable_endscan(scan);
	}
	table_close(rel, AccessShareLock);
	return ancestors;
}

/* How accesses are logged, by its name. */
static AuditLevel
audit_level_from_name(const char *name)
{
	if (strcmp(name, "off") == 0)
		return AUDIT_LEVEL_OFF;
	return strcmp(name, "sync") == 0 ? AUDIT_LEVEL_SYNC : AUDIT_LEVEL_ASYNC;
}

/*
 * Is the relation protected by itself, does it only observe, how are accesses
 * logged, and which column (NULL: none) names whom a row is about?
 */
static bool
is_protected(Oid relid, const Past *past, bool *observe, AuditLevel *audit, char **entity)
{
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;
	bool		found = false;

	ScanKeyInit(&key, Anum_protected_relation_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = facts_begin(past, TABLE_PROTECTED_RELATION, 1, &key);
	if (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;
		char	   *mode = TextDatumGetCString(heap_getattr(tup, Anum_protected_relation_mode,
															facts_desc(scan), &isnull));

		found = true;
		*observe = strcmp(mode, "observe") == 0;
		*audit = audit_level_from_name(TextDatumGetCString(heap_getattr(tup, Anum_protected_relation_audit,
																		facts_desc(scan), &isnull)));
		*entity = DatumGetCString(heap_getattr(tup, Anum_protected_relation_entity, facts_desc(scan), &isnull));
		/* a name is a string; before 0.3 nothing is kept of entities */
		*entity = isnull || !steward_has_table(TABLE_ENTITY_KEY) ? NULL : pstrdup(*entity);
	}
	facts_end(scan);
	return found;
}

/* Is any relation of this database protected? */
bool
governance_any(void)
{
	if (unlikely(!any_known))
	{
		Relation	rel;
		SysScanDesc scan;

		if (!steward_is_created())
			return false;
		any_known = true;
		rel = table_open(steward_table(TABLE_PROTECTED_RELATION), AccessShareLock);

		/* Not to scan leaves no predicate lock in serializable transactions. */
		any_protected = RelationGetNumberOfBlocks(rel) > 0;
		if (any_protected)
		{
			scan = systable_beginscan(rel, steward_index(TABLE_PROTECTED_RELATION), true, NULL, 0, NULL);
			any_protected = HeapTupleIsValid(systable_getnext(scan));
			systable_endscan(scan);
		}
		table_close(rel, AccessShareLock);
	}
	return any_protected;
}

static TimestampTz
read_timestamp(HeapTuple tup, int attno, TupleDesc desc, TimestampTz otherwise)
{
	bool		isnull;
	Datum		d = heap_getattr(tup, attno, desc, &isnull);

	return isnull ? otherwise : DatumGetTimestampTz(d);
}

/* Reads one row of row_policy; expressions and roles come later. */
static RowPolicy *
read_policy(HeapTuple tup, TupleDesc desc)
{
	RowPolicy  *policy = palloc0(sizeof(RowPolicy));
	bool		isnull;
	Datum		d;
	Datum	   *elems;
	int			n;

	policy->name = pstrdup(NameStr(*DatumGetName(heap_getattr(tup, Anum_row_policy_name, desc, &isnull))));
	d = heap_getattr(tup, Anum_row_policy_effect, desc, &isnull);
	policy->deny = strcmp(TextDatumGetCString(d), "deny") == 0;

	d = heap_getattr(tup, Anum_row_policy_commands, desc, &isnull);
	deconstruct_array(DatumGetArrayTypeP(d), TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &n);
	for (int i = 0; i < n; i++)
		policy->commands |= command_from_name(TextDatumGetCString(elems[i]));

	d = heap_getattr(tup, Anum_row_policy_purposes, desc, &isnull);
	policy->purposes = isnull ? NULL : DatumGetArrayTypePCopy(d);

	policy->valid_from = read_timestamp(tup, Anum_row_policy_valid_from, desc, DT_NOBEGIN);
	policy->valid_until = read_timestamp(tup, Anum_row_policy_valid_until, desc, DT_NOEND);
	return policy;
}

/* The policy of the name, which must be among them to be found. */
static RowPolicy *
find_policy(List *policies, const char *name)
{
	ListCell   *lc;

	foreach(lc, policies)
	{
		RowPolicy  *policy = lfirst(lc);

		if (strcmp(policy->name, name) == 0)
			return policy;
	}
	return NULL;
}

/*
 * Tells the policies of a relation who wrote them.  A dump leaves out those
 * whose role was dropped: then nobody did.
 */
static void
read_authors(Oid relid, const Past *past, List *policies)
{
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;

	ScanKeyInit(&key, Anum_row_policy_author_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = facts_begin(past, TABLE_ROW_POLICY_AUTHOR, 1, &key);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;
		TupleDesc	desc = facts_desc(scan);
		Name		name = DatumGetName(heap_getattr(tup, Anum_row_policy_author_policy, desc, &isnull));
		RowPolicy  *policy = find_policy(policies, NameStr(*name));

		if (policy != NULL)
			policy->created_by = DatumGetObjectId(heap_getattr(tup, Anum_row_policy_author_role, desc, &isnull));
	}
	facts_end(scan);
}

/* Gives the policies of a relation their roles. */
static void
read_roles(Oid relid, const Past *past, List *policies)
{
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;

	ScanKeyInit(&key, Anum_row_policy_role_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = facts_begin(past, TABLE_ROW_POLICY_ROLE, 1, &key);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;
		TupleDesc	desc = facts_desc(scan);
		char	   *name = NameStr(*DatumGetName(heap_getattr(tup, Anum_row_policy_role_policy, desc, &isnull)));
		Oid			role = DatumGetObjectId(heap_getattr(tup, Anum_row_policy_role_role, desc, &isnull));
		ListCell   *lc;

		foreach(lc, policies)
		{
			RowPolicy  *policy = lfirst(lc);

			if (strcmp(policy->name, name) != 0)
				continue;
			if (policy->roles == NULL)
				policy->roles = palloc(sizeof(Oid));
			else
				policy->roles = repalloc(policy->roles, (policy->nroles + 1) * sizeof(Oid));
			policy->roles[policy->nroles++] = role;
			break;
		}
	}
	facts_end(scan);
}

/* Is the native policy one that only carries ours? */
bool
policy_is_carried(const RowSecurityPolicy *native)
{
	Oid			carrier = steward_role(STEWARD_CARRIER);

	return OidIsValid(carrier) && ARR_NDIM(native->roles) == 1 &&
		ARR_DIMS(native->roles)[0] == 1 &&
		((Oid *) ARR_DATA_PTR(native->roles))[0] == carrier;
}

/*
 * Have users defined native policies on the relation, besides those that
 * carry ours?  Asked whenever a statement is rewritten, so kept for as long as
 * the relation's description is the same.
 */
bool
governance_has_native_policies(Relation relation)
{
	Oid			relid = RelationGetRelid(relation);
	GovernanceEntry *entry = entries == NULL ? NULL : hash_search(entries, &relid, HASH_FIND, NULL);
	bool		has_native = false;
	ListCell   *lc;

	if (relation->rd_rsdesc == NULL)
		return false;
	if (entry != NULL && entry->valid && entry->native_of == relation->rd_rsdesc)
		return entry->has_native;
	foreach(lc, relation->rd_rsdesc->policies)
	{
		if (!policy_is_carried(lfirst(lc)) && !policy_is_net(lfirst(lc)))
		{
			has_native = true;
			break;
		}
	}
	if (entry != NULL)
	{
		entry->native_of = relation->rd_rsdesc;
		entry->has_native = has_native;
	}
	return has_native;
}

typedef struct PolicyErrorContext
{
	const RowPolicy *policy;
	Oid			relid;
} PolicyErrorContext;

/* Error context: which policy it is that cannot be used. */
static void
policy_error_callback(void *arg)
{
	PolicyErrorContext *context = arg;

	errcontext("row policy \"%s\" of table \"%s\"",
			   context->policy->name, get_rel_name(context->relid));
}

/*
 * Makes the policy's expressions ready for plans.  Whoever builds on them asks
 * first, and only where the policy concerns somebody: what is wrong with a
 * policy must not stop those whom it does not concern, superusers and
 * pg_dump least of all.
 *
 * Raises where the native policy that carries the policy is gone (it must not
 * be passed over, it might be a deny), where who wrote it is gone, or where
 * what it reads has changed so that it is no longer admitted.
 */
void
policy_make_ready(const RowPolicy *const_policy, Oid relid)
{
	RowPolicy  *policy = unconstify(RowPolicy *, const_policy);
	PolicyErrorContext context = {policy, relid};
	ErrorContextCallback callback = {error_context_stack, policy_error_callback, &context};
	MemoryContext old;
	Expr	   *qual;
	Expr	   *check;

	if (likely(policy->ready))
		return;
	if (policy->problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("row policy \"%s\" of that moment can no longer be read: %s", policy->name, policy->problem)));
	if (policy->qual == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("row policy \"%s\" of table \"%s\" has lost the native policy that carries it",
						policy->name, get_rel_name(relid)),
				 errdetail("Row security of the table was disabled, or the native policy was dropped, behind pg_steward's back."),
				 errhint("An administrator drops the policy with steward.drop_row_policy() and creates it again; see steward.doctor().")));

	error_context_stack = &callback;
	old = MemoryContextSwitchTo(GetMemoryChunkContext(policy));
	qual = expression_for_plans(policy->qual, policy->created_by, &policy->relations);
	check = expression_for_plans(policy->check, policy->created_by, &policy->relations);
	MemoryContextSwitchTo(old);
	error_context_stack = callback.previous;

	governance_track(policy->relations);
	policy->plan_qual = qual;
	policy->plan_check = check;
	policy->ready = true;
}

/*
 * Gives the policies the expressions that their native policies carry.  A
 * policy without its carrier stays without: a dump that is being restored
 * brings native policies last, and those whom the policy does not concern
 * load their data before.  See policy_make_ready() for the rest.
 */
static void
read_expressions(Relation rel, List *policies)
{
	ListCell   *lc;

	foreach(lc, policies)
	{
		RowPolicy  *policy = lfirst(lc);
		RowSecurityPolicy *carrier = NULL;
		ListCell   *lc2;

		if (rel->rd_rsdesc != NULL)
		{
			foreach(lc2, rel->rd_rsdesc->policies)
			{
				RowSecurityPolicy *native = lfirst(lc2);

				if (strcmp(native->policy_name, policy->name) == 0 &&
					policy_is_carried(native))
					carrier = native;
			}
		}
		if (carrier == NULL)
			continue;
		policy->qual = copyObject(carrier->qual);
		policy->check = copyObject(carrier->with_check_qual);
	}
}

/*
 * The same for a moment of the past.  A policy whose expressions can no longer
 * be parsed or used says why.
 */
static void
read_past_expressions(Relation rel, const Past *past, List *policies)
{
	ListCell   *lc;

	foreach(lc, past_expressions(past, HISTORY_ROW_POLICY, rel))
	{
		PastExpression *expression = lfirst(lc);
		RowPolicy  *policy = find_policy(policies, expression->name);

		if (policy == NULL)
			continue;
		policy->text = expression->using_text;
		(void) past_parse(past, rel, expression, &policy->qual, &policy->check, &policy->problem);
	}
}

/* Reads the policies of one protected relation, ordered by name. */
static PolicySet *
read_policy_set(Oid relid, const Past *past, bool observe)
{
	PolicySet  *set = palloc0(sizeof(PolicySet));
	Relation	rel;
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;

	set->relid = relid;
	set->observe = observe;
	set->context = past == NULL ? CurrentMemoryContext : NULL;

	ScanKeyInit(&key, Anum_row_policy_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = facts_begin(past, TABLE_ROW_POLICY, 1, &key);
	while (HeapTupleIsValid(tup = facts_next(scan)))
		set->policies = lappend(set->policies, read_policy(tup, facts_desc(scan)));
	facts_end(scan);

	rel = table_open(relid, AccessShareLock);
	if (set->policies != NIL)
	{
		read_roles(relid, past, set->policies);
		read_authors(relid, past, set->policies);
		if (past == NULL)
			read_expressions(rel, set->policies);
		else
			read_past_expressions(rel, past, set->policies);
	}
	set->masks = masks_read(rel, past);
	table_close(rel, AccessShareLock);
	return set;
}

/* Notes that entries depend on the relation. */
static void
track(Oid relid)
{
	(void) hash_search(tracked, &relid, HASH_ENTER, NULL);
}

/* The same for several. */
void
governance_track(List *relids)
{
	ListCell   *lc;

	foreach(lc, relids)
		track(lfirst_oid(lc));
}

/* Is the relation, or one of its partitions or children, a foreign table? */
static bool
is_or_has_foreign(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			return true;
	}
	return false;
}

/*
 * Fills the governance of a relation, in the current memory context.
 * *governed is set before any policy is read: reading a sub-select asks
 * whether the very relation is governed.
 */
static pg_noinline void
read_governance(Governance *governance, List *ancestors, const Past *past, bool *governed)
{
	List	   *chain = lcons_oid(governance->relid, list_copy(ancestors));
	List	   *protectors = NIL;
	List	   *observes = NIL;
	bool		observe;
	AuditLevel	audit;
	char	   *entity;
	ListCell   *lc;
	ListCell   *lc_observe;

	foreach(lc, chain)
	{
		if (is_protected(lfirst_oid(lc), past, &observe, &audit, &entity))
		{
			governance->audit = Max(governance->audit, audit);

			/* Columns that are inherited have their names. */
			if (entity != NULL && !governance->has_entities)
			{
				governance->has_entities = true;
				governance->entity = get_attnum(governance->relid, entity);
			}
			protectors = lappend_oid(protectors, lfirst_oid(lc));
			observes = lappend_int(observes, observe);
		}
	}
	*governed = protectors != NIL;
	governance->has_foreign = *governed && is_or_has_foreign(governance->relid);

	governance->sets = NIL;
	forboth(lc, protectors, lc_observe, observes)
	{
		Oid			relid = lfirst_oid(lc);
		PolicySet  *set = read_policy_set(relid, past, lfirst_int(lc_observe));

		if (relid != governance->relid)
		{
			Relation	child = table_open(governance->relid, AccessShareLock);
			Relation	parent = table_open(relid, AccessShareLock);

			set->attrmap = build_attrmap_by_name(RelationGetDescr(child),
												 RelationGetDescr(parent)
												 STEWARD_ATTRMAP_ARGS);
			set->rowtype = child->rd_rel->reltype;
			table_close(parent, AccessShareLock);
			table_close(child, AccessShareLock);
		}
		governance->sets = lappend(governance->sets, set);
		track(relid);
	}
}

static void
create_caches(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(GovernanceEntry);
	entries = hash_create("pg_steward governance", 256, &ctl, HASH_ELEM | HASH_BLOBS);
	ctl.entrysize = sizeof(Oid);
	tracked = hash_create("pg_steward tracked relations", 64, &ctl, HASH_ELEM | HASH_BLOBS);
}

/* May errors of masks and policies on the relation quote values? */
bool
governance_converts(Oid relid)
{
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, governance_of(relid)->sets)
	{
		const PolicySet *set = lfirst(lc);

		foreach(lc2, set->policies)
		{
			RowPolicy  *policy = lfirst(lc2);

			if (!policy->looked)
				policy->converts = expression_converts((Node *) policy->qual) ||
					expression_converts((Node *) policy->check);
			policy->looked = true;
			if (policy->converts)
				return true;
		}
		foreach(lc2, set->masks)
		{
			if (mask_converts(lfirst(lc2)))
				return true;
		}
	}
	return false;
}

/*
 * What governs the relation; sets is NIL where nothing does.  Raises where a
 * policy cannot be read: an unreadable policy opens nothing.
 */
const Governance *
governance_of(Oid relid)
{
	static const Governance none = {InvalidOid, NIL, false, AUDIT_LEVEL_OFF};
	GovernanceEntry *entry;
	bool		found;
	MemoryContext context;
	MemoryContext old;

	if (relid < FirstNormalObjectId || !governance_any())
		return &none;
	if (unlikely(entries == NULL))
		create_caches();

	entry = hash_search(entries, &relid, HASH_FIND, NULL);
	if (likely(entry != NULL && entry->valid))
		return &entry->governance;

	/*
	 * Build aside, so that an error leaves no half an entry.  Reading takes
	 * locks and so may bring invalidations: what arrives meanwhile must leave
	 * the entry invalid, so it is marked valid before.
	 */
	entry = hash_search(entries, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->context = NULL;
		entry->governance = none;
	}
	entry->native_of = NULL;
	entry->valid = false;

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_steward governance entry",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		Governance	governance = {relid, NIL, false, AUDIT_LEVEL_OFF};
		List	   *ancestors;

		entry->valid = true;
		ancestors = governance_ancestors(relid);
		read_governance(&governance, ancestors, NULL, &entry->governed);
		if (ancestors != NIL)
		{
			track(relid);
			governance_track(ancestors);
		}

		if (entry->context != NULL)
			retire_context(entry->context);
		entry->context = NULL;
		entry->governance = governance;
		if (governance.sets != NIL)
		{
			MemoryContextSetParent(context, CacheMemoryContext);
			entry->context = context;
		}
		else
		{
			MemoryContextSwitchTo(old);
			MemoryContextDelete(context);
		}
	}
	PG_CATCH();
	{
		entry->valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return &entry->governance;
}

/*
 * How accesses to the relation are logged, and does it name whom its rows are
 * about?  Reads no policies, so it may be asked while the relation is being altered.
 */
AuditLevel
governance_audit(Oid relid, bool *has_entities)
{
	GovernanceEntry *entry = entries == NULL ? NULL : hash_search(entries, &relid, HASH_FIND, NULL);
	AuditLevel	strongest = AUDIT_LEVEL_OFF;
	AuditLevel	audit;
	bool		observe;
	char	   *entity;
	ListCell   *lc;

	*has_entities = false;
	if (relid < FirstNormalObjectId || !governance_any())
		return AUDIT_LEVEL_OFF;
	if (entry != NULL && entry->valid)
	{
		*has_entities = entry->governance.has_entities;
		return entry->governance.audit;
	}
	foreach(lc, lcons_oid(relid, governance_ancestors(relid)))
	{
		if (is_protected(lfirst_oid(lc), NULL, &observe, &audit, &entity))
		{
			strongest = Max(strongest, audit);
			*has_entities |= entity != NULL;
		}
	}
	return strongest;
}

/*
 * What governed a relation at a moment of the past, in the current memory
 * context.  Parents are those of today.
 */
const Governance *
governance_at(Oid relid, const Past *past)
{
	Governance *governance = palloc0(sizeof(Governance));
	bool		governed;

	if (unlikely(entries == NULL))
		create_caches();
	governance->relid = relid;
	read_governance(governance, governance_ancestors(relid), past, &governed);
	return governance;
}

/* Is the relation governed? */
bool
access_is_governed(Oid relid)
{
	GovernanceEntry *entry;

	if (entries != NULL &&
		(entry = hash_search(entries, &relid, HASH_FIND, NULL)) != NULL && entry->valid)
		return entry->governed;
	return governance_of(relid)->sets != NIL;
}
