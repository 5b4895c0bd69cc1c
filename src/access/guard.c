/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Closes the roads on which the owner of a governed table would see rows
 *	  that are hidden from him, and cleans up after statements that move or
 *	  drop governed tables.
 *
 * Most of it is done in the object access hook, not by reading statements:
 * PostgreSQL calls it for each catalog row that a command writes, with OIDs,
 * and before rows are read for it (an index is built, a constraint is
 * validated, a table is rewritten later).  So it does not matter how the
 * command was reached (a script, DO, a definer function, another extension),
 * nor whether a name meant another table a moment ago.  Statements are looked
 * at only for what leaves no trace in a catalog: USING of ALTER COLUMN TYPE,
 * switching row security, and the policies that carry ours.
 *
 * Whoever acts is the subject (the role outside of SECURITY DEFINER
 * functions).  Administrators may do what is refused to others, and so may
 * roles with an allowance (steward.allow_ddl).
 *
 * While a statement runs, a level on a stack notes what has to be looked at
 * when it has succeeded.  Levels live in a context of their own, because a
 * statement may commit in between (DETACH PARTITION CONCURRENTLY); an abort
 * pops those of the transaction that it ends.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/guard.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_publication_namespace.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "commands/policy.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* What the dispatcher keeps of a level while the statement runs. */
struct GuardState
{
	uint64		id;
};

static MemoryContext guard_context = NULL;
GuardLevel *current_level = NULL;
static uint64 last_level_id = 0;

/* ------------------------------------------------------------------------
 * Levels
 * ------------------------------------------------------------------------
 */

static GuardState *
push_level(Node *stmt)
{
	GuardState *state = palloc(sizeof(GuardState));
	GuardLevel *level;

	if (guard_context == NULL)
		guard_context = AllocSetContextCreate(TopMemoryContext, "pg_steward guard",
											  ALLOCSET_SMALL_SIZES);
	level = MemoryContextAllocZero(guard_context, sizeof(GuardLevel));
	level->id = ++last_level_id;
	level->nest = GetCurrentTransactionNestLevel();
	level->subject = access_subject();
	level->tag = nodeTag(stmt);
	level->finishing = current_level != NULL && current_level->finishing;
	level->outer = current_level;
	current_level = level;
	state->id = level->id;
	return state;
}

static void
pop_level(void)
{
	current_level = current_level->outer;
	if (current_level == NULL)
		MemoryContextReset(guard_context);
}

/* Adds to a list of a level; it lives as long as the level. */
void
guard_note(List **list, Oid oid)
{
	MemoryContext old = MemoryContextSwitchTo(guard_context);

	*list = lappend_oid(*list, oid);
	MemoryContextSwitchTo(old);
}

void *
guard_alloc(Size size)
{
	return MemoryContextAllocZero(guard_context, size);
}

void
guard_append(List **list, void *item)
{
	MemoryContext old = MemoryContextSwitchTo(guard_context);

	*list = lappend(*list, item);
	MemoryContextSwitchTo(old);
}

/* Has a statement that is running made the relation, or given it its parent? */
bool
guard_checks_later(Oid relid)
{
	for (GuardLevel *level = current_level; level != NULL; level = level->outer)
		if (list_member_oid(level->created, relid))
			return true;
	return false;
}

/*
 * Who acts: whoever did when the innermost statement began.  While it runs,
 * PostgreSQL may have become the table's owner (CREATE INDEX does), for the
 * sake of code that the owner may have written; that code's own statements
 * have levels of their own.
 */
Oid
guard_subject(void)
{
	return current_level != NULL ? current_level->subject : access_subject();
}

/* Is a statement of this kind the innermost one? */
bool
guard_within(NodeTag tag)
{
	return current_level != NULL && current_level->tag == tag;
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		while (current_level != NULL)
			pop_level();
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (current_level != NULL && current_level->nest >= GetCurrentTransactionNestLevel())
			pop_level();
}

/* Registers the callbacks.  Called once, while libraries are preloaded. */
void
guard_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}

/*
 * Do the checks of foreign keys run that DETACH PARTITION makes?  They are
 * queries of the table's owner that must see every row.
 */
bool
guard_is_suspended(void)
{
	return current_level != NULL && current_level->detaches && !current_level->finishing;
}

/* Does our own clean-up after a statement run? */
bool
guard_is_finishing(void)
{
	return current_level != NULL && current_level->finishing;
}

/* ------------------------------------------------------------------------
 * Before a statement
 * ------------------------------------------------------------------------
 */

static void
refuse_unsecured(Oid relid)
{
	access_denied(relid, record_utility_command(), guard_subject());
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("row security of governed table \"%s\" cannot be switched off", get_rel_name(relid)),
			 errdetail("It protects the rows where the library is not loaded."),
			 errhint("steward.unprotect(relation, reason) ends the governance of the table and restores its row security.")));
}

/*
 * ALTER TABLE: notes what leaves no trace in a catalog before rows are read,
 * and keeps row security switched on, for everybody: it is what protects the
 * rows on a server that does not load the library.
 */
static void
before_alter_table(AlterTableStmt *stmt)
{
	Oid			relid;
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		switch (cmd->subtype)
		{
			case AT_AlterColumnType:
				if (cmd->def != NULL && (((ColumnDef *) cmd->def)->raw_default != NULL ||
										 ((ColumnDef *) cmd->def)->cooked_default != NULL))
					current_level->using_clause = true;
				break;
			case AT_DetachPartition:
			case AT_DetachPartitionFinalize:
				current_level->detaches = true;
				break;
			case AT_DisableRowSecurity:
			case AT_NoForceRowSecurity:
				relid = RangeVarGetRelid(stmt->relation, NoLock, true);
				if (OidIsValid(relid) && guard_governs(relid))
					refuse_unsecured(relid);
				if (!current_level->weakens)
				{
					ListCell   *lc2;

					/* The name may come to mean another table. */
					current_level->weakens = true;
					foreach(lc2, guard_unsecured())
						guard_note(&current_level->unsecured, lfirst_oid(lc2));
				}
				break;
			default:
				break;
		}
	}
}

/* ALTER DOMAIN … VALIDATE CONSTRAINT reads rows before any catalog is written. */
static void
before_alter_domain(AlterDomainStmt *stmt)
{
	Oid			typid;
	ListCell   *lc;

	if (stmt->subtype != 'V')
		return;
	typid = LookupTypeNameOid(NULL, makeTypeNameFromNameList(stmt->typeName), true);
	if (!OidIsValid(typid))
		return;
	foreach(lc, guard_relations_of_type(typid))
		guard_require_allowance(lfirst_oid(lc), "validate a constraint of a domain that is used by",
								"The constraint would be tested on rows that are hidden.");
}

/* Only superusers, restoring a dump, make native policies that carry ours. */
static void
before_policy(List *roles)
{
	if (guard_names_carrier(roles) && !superuser_arg(guard_subject()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("policies cannot be given to role \"%s\"", steward_role_name(STEWARD_CARRIER)),
				 errdetail("It carries the row policies of pg_steward."),
				 errhint("Use steward.create_row_policy().")));
}

/*
 * A permissive native policy on a governed relation needs the net, unless it
 * carries one of ours (a dump that is being restored creates those).
 */
static void
before_create_policy(CreatePolicyStmt *stmt)
{
	Oid			relid = RangeVarGetRelid(stmt->table, NoLock, true);

	if (!OidIsValid(relid) || !access_is_governed(relid) || !steward_owns_relation(relid))
		return;
	if (strcmp(stmt->policy_name, NET_POLICY) == 0)
		policy_replace_net(relid, stmt);
	else if (stmt->permissive && !guard_names_carrier(stmt->roles))
		policy_ensure_net(relid);
}

/*
 * Called before a utility statement.  Raises for what must not happen;
 * returns what access_after_utility() is to be given, NULL for statements
 * that are none of the guard's business.
 */
GuardState *
access_before_utility(PlannedStmt *pstmt, const char *query_string, ProcessUtilityContext context)
{
	Node	   *stmt = pstmt->utilityStmt;
	GuardState *state;

	switch (nodeTag(stmt))
	{
		case T_GrantRoleStmt:
		case T_CreateRoleStmt:
		case T_AlterRoleStmt:
		case T_DropRoleStmt:
			guard_role_statement(stmt);
			return NULL;		/* runs no code of users */
		case T_RenameStmt:
			guard_role_statement(stmt);
			break;
		case T_CreatePolicyStmt:
			if (steward_is_created())
			{
				before_policy(((CreatePolicyStmt *) stmt)->roles);
				before_create_policy((CreatePolicyStmt *) stmt);
			}
			break;
		case T_AlterPolicyStmt:
			if (steward_is_created())
				before_policy(((AlterPolicyStmt *) stmt)->roles);
			break;
		case T_AlterTableStmt:
		case T_AlterDomainStmt:
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
		case T_DropOwnedStmt:
		case T_DropStmt:
		case T_IndexStmt:
		case T_ReindexStmt:
			break;
		default:
			/* A statement within another must not act as the other's subject. */
			if (current_level == NULL)
				return NULL;
			break;
	}
	if (current_level == NULL && !governance_any())
		return NULL;

	state = push_level(stmt);
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			before_alter_table((AlterTableStmt *) stmt);
			break;
		case T_AlterDomainStmt:
			before_alter_domain((AlterDomainStmt *) stmt);
			break;
		case T_DropStmt:
			current_level->object = ((DropStmt *) stmt)->removeType;
			break;
		case T_RenameStmt:
			current_level->object = ((RenameStmt *) stmt)->renameType;
			break;
		default:
			break;
	}
	return state;
}

/* ------------------------------------------------------------------------
 * After a statement
 * ------------------------------------------------------------------------
 */

/*
 * Refuses, for everybody, the statement that took a row policy's expressions
 * away with something they use, while the table stays.
 */
static void
finish_lost(LostPolicy *lost)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lost->relid)))
		return;
	if (guard_policy_is_registered(lost->relid, &lost->name) &&
		!OidIsValid(get_relation_policy_oid(lost->relid, NameStr(lost->name), true)))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("row policy \"%s\" of governed table \"%s\" depends on what is to be dropped",
						NameStr(lost->name), get_rel_name(lost->relid)),
				 errhint("An administrator can replace or drop the policy first: SELECT steward.drop_row_policy(%s, %s).",
						 quote_literal_cstr(NameStr(lost->name)),
						 quote_literal_cstr(quote_qualified_identifier(get_namespace_name(get_rel_namespace(lost->relid)),
																	   get_rel_name(lost->relid))))));
}

/*
 * A relation has got a governed parent: it must bring nothing that shows rows,
 * and row security is switched on for it and all below it.
 */
static void
finish_joined(Oid child)
{
	ListCell   *lc;
	bool		changed = false;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(child)) || !guard_governs(child))
		return;
	foreach(lc, find_all_inheritors(child, AccessExclusiveLock, NULL))
	{
		Oid			relid = lfirst_oid(lc);

		if (!ddl_is_allowed(relid))
		{
			List	   *own = guard_protectors(relid);
			char	   *problem = guard_check_relation(relid);
			ListCell   *lc2;

			foreach(lc2, guard_parents(relid))
			{
				if (list_difference_oid(own, guard_protectors(lfirst_oid(lc2))) != NIL)
					problem = psprintf("Rows of table \"%s\" would be seen through table \"%s\", which the policies do not govern.",
									   get_rel_name(relid), get_rel_name(lfirst_oid(lc2)));
			}
			if (problem != NULL)
				guard_refuse(linitial_oid(own), "give such a partition or child to", problem);
		}
		relation_set_row_security(relid, true, true);
		changed = true;
	}
	if (changed)
	{
		governance_changed(child);
		CommandCounterIncrement();
	}
}

/* Runs a statement about a relation as the owner of the extension's tables. */
static void
run_for_relation(const char *command, Oid relid, Name old, Name new)
{
	Oid			argtypes[] = {OIDOID, NAMEOID, NAMEOID};
	Datum		values[] = {ObjectIdGetDatum(relid), NameGetDatum(old), NameGetDatum(new)};

	if (SPI_execute_with_args(command, old == NULL ? 1 : 3, argtypes, values, NULL, false, 0) < 0)
		elog(ERROR, "pg_steward: clean-up of relation %u failed", relid);
}

/*
 * A dropped relation leaves the tables of governance, through statements so
 * that their triggers see it; what these do not see (rows newer than the
 * transaction's snapshot) goes directly.
 */
static void
finish_dropped(Oid relid)
{
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return;
	run_for_relation("DELETE FROM steward.row_policy_role WHERE relation OPERATOR(pg_catalog.=) $1", relid, NULL, NULL);
	run_for_relation("DELETE FROM steward.row_policy WHERE relation OPERATOR(pg_catalog.=) $1", relid, NULL, NULL);
	run_for_relation("DELETE FROM steward.ddl_allowance WHERE relation OPERATOR(pg_catalog.=) $1", relid, NULL, NULL);
	run_for_relation("DELETE FROM steward.protected_relation WHERE relation OPERATOR(pg_catalog.=) $1", relid, NULL, NULL);
	guard_delete_rows_about(relid);
}

/*
 * A child that has left a governed parent takes the parent's policies along,
 * and the allowances that hold for the parent: a migration that detaches a
 * partition may attach it again.
 */
static void
finish_left(Oid child, Oid parent)
{
	Oid			argtypes[] = {REGCLASSOID, REGCLASSOID};
	List	   *still;
	ListCell   *lc;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(child)) || guard_inherits(child, parent, false))
		return;
	still = guard_protectors(child);
	foreach(lc, guard_protectors(parent))
	{
		Datum		values[] = {ObjectIdGetDatum(lfirst_oid(lc)), ObjectIdGetDatum(child)};

		if (list_member_oid(still, lfirst_oid(lc)))
			continue;
		OidFunctionCall2(steward_function("copy_protection", 2, argtypes), values[0], values[1]);
		if (SPI_execute_with_args("INSERT INTO steward.ddl_allowance (relation, role, valid_from, valid_until, reason, allowed_by) "
								  "SELECT $2, role, valid_from, valid_until, reason, allowed_by FROM steward.ddl_allowance "
								  "WHERE relation OPERATOR(pg_catalog.=) $1 AND valid_until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()",
								  2, argtypes, values, NULL, false, 0) < 0)
			elog(ERROR, "pg_steward: allowances of relation %u could not be copied", lfirst_oid(lc));
	}
}

/* Does what is left to do after a statement, as the owner of our tables. */
static void
finish_level(GuardLevel *level)
{
	Oid			userid;
	int			sec_context;
	HeapTuple	tup;
	Oid			owner;
	bool		pushed = false;
	ListCell   *lc;
	ListCell   *lc2;

	CommandCounterIncrement();
	if (!steward_is_created())
		return;

	if (level->weakens)
	{
		List	   *unsecured = list_difference_oid(guard_unsecured(), level->unsecured);

		if (unsecured != NIL)
			refuse_unsecured(linitial_oid(unsecured));
	}
	foreach(lc, level->lost)
		finish_lost(lfirst(lc));
	foreach(lc, level->joined)
		finish_joined(lfirst_oid(lc));
	if (level->left == NIL && level->dropped == NIL && level->renamed == NIL)
		return;

	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(steward_table(TABLE_PROTECTED_RELATION)));
	if (!HeapTupleIsValid(tup))
		return;
	owner = ((Form_pg_class) GETSTRUCT(tup))->relowner;
	ReleaseSysCache(tup);

	/* An error restores all of it. */
	level->finishing = true;
	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(owner, sec_context | SECURITY_LOCAL_USERID_CHANGE);
	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");

	foreach(lc, level->dropped)
		finish_dropped(lfirst_oid(lc));
	for (lc = list_head(level->left); lc != NULL; lc = lnext(level->left, lc2))
	{
		lc2 = lnext(level->left, lc);
		finish_left(lfirst_oid(lc), lfirst_oid(lc2));
	}
	foreach(lc, level->renamed)
	{
		RenamedColumn *renamed = lfirst(lc);

		run_for_relation("UPDATE steward.protected_relation SET entity_column = $3 "
						 "WHERE relation OPERATOR(pg_catalog.=) $1 AND entity_column OPERATOR(pg_catalog.=) $2",
						 renamed->relid, &renamed->old, &renamed->new);
	}

	SPI_finish();
	if (pushed)
		PopActiveSnapshot();
	SetUserIdAndSecContext(userid, sec_context);
}

/*
 * Called after a utility statement that succeeded, with what
 * access_before_utility() returned.
 */
void
access_after_utility(GuardState *state)
{
	GuardLevel *level;

	if (state == NULL)
		return;
	for (level = current_level; level != NULL && level->id != state->id; level = level->outer)
		;
	pfree(state);

	/* A statement that rolled back in between has lost its level. */
	if (level == NULL)
		return;
	while (current_level != level)
		pop_level();
	if (level->weakens || level->lost != NIL || level->joined != NIL || level->left != NIL ||
		level->dropped != NIL || level->renamed != NIL)
		finish_level(level);
	pop_level();
}
