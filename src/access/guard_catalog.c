/*-------------------------------------------------------------------------
 *
 * guard_catalog.c
 *	  What the guard reads: which relations are governed, which depend on a
 *	  type or a function, and whom an allowance lets through.
 *
 * All of it is read from the tables themselves with catalog snapshots, not
 * from the cache of governance.c: the guard is asked in the middle of DDL,
 * when relations cannot be opened yet.  DDL is rare enough for that.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/guard.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Columns of the tables read here, in the order of access.sql. */
#define Anum_protected_relation_relation	1
#define Anum_row_policy_relation			1
#define Anum_row_policy_name				2
#define Anum_ddl_allowance_relation			2
#define Anum_ddl_allowance_role				3
#define Anum_ddl_allowance_valid_from		4
#define Anum_ddl_allowance_valid_until		5

/* ------------------------------------------------------------------------
 * What is governed
 * ------------------------------------------------------------------------
 */

/* Is the relation protected by itself? */
bool
guard_is_protected(Oid relid)
{
	Relation	rel = table_open(steward_table(TABLE_PROTECTED_RELATION), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, Anum_protected_relation_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, steward_index(TABLE_PROTECTED_RELATION), true, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* The protected relations that still exist. */
static List *
all_protected(void)
{
	Relation	rel = table_open(steward_table(TABLE_PROTECTED_RELATION), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	List	   *result = NIL;
	HeapTuple	tup;

	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(heap_getattr(tup, Anum_protected_relation_relation,
														  RelationGetDescr(rel), &isnull));

		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
			result = lappend_oid(result, relid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * Names of the protected relations for an error, at most so many; NULL: there
 * is none.  Reads the table, and without its index.
 */
char *
guard_name_protected(int limit)
{
	List	   *relids = all_protected();
	StringInfoData names;
	int			n = 0;
	ListCell   *lc;

	if (relids == NIL)
		return NULL;
	initStringInfo(&names);
	foreach(lc, relids)
	{
		if (n++ == limit)
			break;
		appendStringInfo(&names, "%s%s", names.len == 0 ? "" : ", ",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(lfirst_oid(lc))),
													get_rel_name(lfirst_oid(lc))));
	}
	if (list_length(relids) > limit)
		appendStringInfo(&names, " and %d more", list_length(relids) - limit);
	return names.data;
}

/* Every governed relation: the protected ones, their partitions and children. */
List *
guard_everything(void)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, all_protected())
		result = list_concat_unique_oid(result, find_all_inheritors(lfirst_oid(lc), NoLock, NULL));
	return result;
}

/* The governed tables whose row security is switched off. */
List *
guard_unsecured(void)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, guard_everything())
	{
		HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_class form;

		if (!HeapTupleIsValid(tup))
			continue;
		form = (Form_pg_class) GETSTRUCT(tup);
		if ((form->relkind == RELKIND_RELATION || form->relkind == RELKIND_PARTITIONED_TABLE) &&
			!(form->relrowsecurity && form->relforcerowsecurity))
			result = lappend_oid(result, lfirst_oid(lc));
		ReleaseSysCache(tup);
	}
	return result;
}

/* The direct parents of a relation; a partition that is being detached has one. */
List *
guard_parents(Oid relid)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	List	   *parents = NIL;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tup))->inhparent);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return parents;
}

/*
 * Is child a child of parent?  With uncommitted, what this very command has
 * written counts too.
 */
bool
guard_inherits(Oid child, Oid parent, bool uncommitted)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	bool		found = false;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(child));
	scan = systable_beginscan(rel, InheritsRelidSeqnoIndexId, true,
							  uncommitted ? SnapshotSelf : NULL, 1, &key);
	while (!found && HeapTupleIsValid(tup = systable_getnext(scan)))
		found = ((Form_pg_inherits) GETSTRUCT(tup))->inhparent == parent;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* The protected relations that govern a relation: itself and its ancestors. */
List *
guard_protectors(Oid relid)
{
	List	   *todo;
	List	   *result = NIL;

	if (!OidIsValid(relid) || !governance_any())
		return NIL;
	todo = list_make1_oid(relid);
	for (int i = 0; i < list_length(todo); i++)
	{
		Oid			member = list_nth_oid(todo, i);

		if (guard_is_protected(member))
			result = lappend_oid(result, member);
		todo = list_concat_unique_oid(todo, guard_parents(member));
	}
	return result;
}

/* Is the relation governed? */
bool
guard_governs(Oid relid)
{
	return guard_protectors(relid) != NIL;
}

/* ------------------------------------------------------------------------
 * Allowances
 * ------------------------------------------------------------------------
 */

/* Has the subject an allowance for this very relation that holds now? */
static bool
has_allowance(Oid relid, Oid subject)
{
	Relation	rel = table_open(steward_table(TABLE_DDL_ALLOWANCE), AccessShareLock);
	TimestampTz now = wall_clock();
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	bool		found = false;

	ScanKeyInit(&key, Anum_ddl_allowance_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, steward_index(TABLE_DDL_ALLOWANCE), true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		TupleDesc	desc = RelationGetDescr(rel);
		bool		isnull;
		Oid			role = DatumGetObjectId(heap_getattr(tup, Anum_ddl_allowance_role, desc, &isnull));
		TimestampTz valid_from = DatumGetTimestampTz(heap_getattr(tup, Anum_ddl_allowance_valid_from, desc, &isnull));
		TimestampTz valid_until = DatumGetTimestampTz(heap_getattr(tup, Anum_ddl_allowance_valid_until, desc, &isnull));

		found = valid_from <= now && now < valid_until &&
			SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)) &&
			has_privs_of_role(subject, role);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * Do allowances open the relation?  One for itself does; else each governed
 * parent must be open, and a protected relation opens by its own only.
 */
static bool
is_open(Oid relid, Oid subject)
{
	ListCell   *lc;

	check_stack_depth();
	if (has_allowance(relid, subject))
		return true;
	if (guard_is_protected(relid))
		return false;
	foreach(lc, guard_parents(relid))
	{
		if (guard_governs(lfirst_oid(lc)) && !is_open(lfirst_oid(lc), subject))
			return false;
	}
	return true;
}

/*
 * May the subject change the relation in ways that could show hidden rows?
 * True too where nothing governs it.
 */
bool
ddl_is_allowed(Oid relid)
{
	Oid			subject = guard_subject();

	return steward_is_admin(subject) || is_open(relid, subject);
}

/*
 * Refuses what an allowance would allow.  action goes before "governed table
 * …"; detail is a sentence or NULL.
 */
void
guard_refuse(Oid relid, const char *action, const char *detail)
{
	char	   *subject = GetUserNameFromId(guard_subject(), true);
	char	   *name = get_rel_name(relid);
	char	   *qualified = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
	List	   *protectors = guard_protectors(relid);
	Oid			protector = protectors == NIL ? relid : linitial_oid(protectors);

	access_denied(relid, record_utility_command(), guard_subject());
	if (protector != relid)
		qualified = quote_qualified_identifier(get_namespace_name(get_rel_namespace(protector)),
											   get_rel_name(protector));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role \"%s\" may not %s governed table \"%s\"",
					subject ? subject : "?", action, name),
			 detail ? errdetail_internal("%s", detail) : 0,
			 errhint("An administrator can allow it for a time: SELECT steward.allow_ddl(%s, %s, now() + interval '1 hour', 'why').",
					 quote_literal_cstr(qualified), quote_literal_cstr(subject ? subject : "?"))));
}

/* ------------------------------------------------------------------------
 * Dependencies
 * ------------------------------------------------------------------------
 */

/*
 * A catalog row by its OID as this very command has written it, which no
 * catalog snapshot sees yet; a copy, or NULL.
 */
HeapTuple
guard_fetch_new(Oid catalog, Oid index, AttrNumber attno, Oid oid)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;

	ScanKeyInit(&key, attno, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	scan = systable_beginscan(rel, index, true, SnapshotSelf, 1, &key);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
		tup = heap_copytuple(tup);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tup;
}

/* The relation to which the object with this OID of a catalog belongs. */
static Oid
owner_in_catalog(Oid catalog, Oid index, AttrNumber oidattno, AttrNumber relattno, Oid oid)
{
	HeapTuple	tup = guard_fetch_new(catalog, index, oidattno, oid);
	Relation	rel;
	bool		isnull;
	Oid			relid = InvalidOid;

	if (!HeapTupleIsValid(tup))
		return InvalidOid;
	rel = table_open(catalog, AccessShareLock);
	relid = DatumGetObjectId(heap_getattr(tup, relattno, RelationGetDescr(rel), &isnull));
	table_close(rel, AccessShareLock);
	heap_freetuple(tup);
	return relid;
}

/* What depends on an object, directly or through types and operators. */
typedef struct Dependents
{
	List	   *todo;			/* of ObjectAddress */
	List	   *seen;			/* OIDs of types and operators in todo */
	List	   *relations;		/* OIDs */
} Dependents;

static void
add_todo(Dependents *dependents, Oid classid, Oid objid)
{
	ObjectAddress *address;

	if (list_member_oid(dependents->seen, objid))
		return;
	address = palloc(sizeof(ObjectAddress));
	ObjectAddressSet(*address, classid, objid);
	dependents->todo = lappend(dependents->todo, address);
	dependents->seen = lappend_oid(dependents->seen, objid);
}

/* Notes one dependent object: its relation, or the object to follow. */
static void
add_dependent(Dependents *dependents, Form_pg_depend dep)
{
	Oid			relid = InvalidOid;

	switch (dep->classid)
	{
		case RelationRelationId:
			relid = dep->objid;
			switch (get_rel_relkind(relid))
			{
				case RELKIND_INDEX:
				case RELKIND_PARTITIONED_INDEX:
					relid = IndexGetRelation(relid, true);
					break;
				case RELKIND_COMPOSITE_TYPE:
				case RELKIND_RELATION:
				case RELKIND_PARTITIONED_TABLE:
					add_todo(dependents, TypeRelationId, get_rel_type_id(relid));
					break;
			}
			break;
		case AttrDefaultRelationId:
			relid = owner_in_catalog(AttrDefaultRelationId, AttrDefaultOidIndexId,
									 Anum_pg_attrdef_oid, Anum_pg_attrdef_adrelid, dep->objid);
			break;
		case ConstraintRelationId:
			relid = owner_in_catalog(ConstraintRelationId, ConstraintOidIndexId,
									 Anum_pg_constraint_oid, Anum_pg_constraint_conrelid, dep->objid);
			if (!OidIsValid(relid))
				add_todo(dependents, TypeRelationId,
						 owner_in_catalog(ConstraintRelationId, ConstraintOidIndexId,
										  Anum_pg_constraint_oid, Anum_pg_constraint_contypid, dep->objid));
			break;
		case TriggerRelationId:
			relid = owner_in_catalog(TriggerRelationId, TriggerOidIndexId,
									 Anum_pg_trigger_oid, Anum_pg_trigger_tgrelid, dep->objid);
			break;
		case RewriteRelationId:
			relid = owner_in_catalog(RewriteRelationId, RewriteOidIndexId,
									 Anum_pg_rewrite_oid, Anum_pg_rewrite_ev_class, dep->objid);
			break;
		case PolicyRelationId:
			relid = owner_in_catalog(PolicyRelationId, PolicyOidIndexId,
									 Anum_pg_policy_oid, Anum_pg_policy_polrelid, dep->objid);
			break;
		case StatisticExtRelationId:
			relid = owner_in_catalog(StatisticExtRelationId, StatisticExtOidIndexId,
									 Anum_pg_statistic_ext_oid, Anum_pg_statistic_ext_stxrelid, dep->objid);
			break;
		case TypeRelationId:
		case OperatorRelationId:
			add_todo(dependents, dep->classid, dep->objid);
			break;
	}
	if (OidIsValid(relid))
		dependents->relations = list_append_unique_oid(dependents->relations, relid);
}

/* The governed relations that use an object, by way of others too. */
static List *
governed_dependents(Oid classid, Oid objid)
{
	Dependents	dependents = {0};
	List	   *governed = NIL;
	Relation	rel = table_open(DependRelationId, AccessShareLock);
	ListCell   *lc;

	add_todo(&dependents, classid, objid);
	for (int i = 0; i < list_length(dependents.todo); i++)
	{
		ObjectAddress *object = list_nth(dependents.todo, i);
		ScanKeyData key[2];
		SysScanDesc scan;
		HeapTuple	tup;

		CHECK_FOR_INTERRUPTS();
		ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(object->classId));
		ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(object->objectId));
		scan = systable_beginscan(rel, DependReferenceIndexId, true, NULL, 2, key);
		while (HeapTupleIsValid(tup = systable_getnext(scan)))
			add_dependent(&dependents, (Form_pg_depend) GETSTRUCT(tup));
		systable_endscan(scan);
	}
	table_close(rel, AccessShareLock);

	foreach(lc, dependents.relations)
	{
		if (guard_governs(lfirst_oid(lc)))
			governed = lappend_oid(governed, lfirst_oid(lc));
	}
	return governed;
}

/* The governed relations that have a column of the type, or of one made of it. */
List *
guard_relations_of_type(Oid typid)
{
	return governed_dependents(TypeRelationId, typid);
}

/*
 * The governed relations of which an index, constraint, default, trigger,
 * rule, policy or statistics object calls the function.
 */
List *
guard_relations_of_function(Oid funcid)
{
	return governed_dependents(ProcedureRelationId, funcid);
}

/* ------------------------------------------------------------------------
 * Rows of governance about a relation
 * ------------------------------------------------------------------------
 */

static const struct
{
	StewardTable table;
	AttrNumber	attno;			/* column "relation" */
}			tables_about_relations[] = {
	{TABLE_ROW_POLICY_ROLE, 1},
	{TABLE_ROW_POLICY_AUTHOR, 1},
	{TABLE_ROW_POLICY, 1},
	{TABLE_DDL_ALLOWANCE, Anum_ddl_allowance_relation},
	{TABLE_PROTECTED_RELATION, Anum_protected_relation_relation},
};

/*
 * Finds the rows about a relation, in the order in which foreign keys let
 * them go, and deletes them if told so.
 */
static bool
visit_rows_about(Oid relid, bool delete)
{
	bool		found = false;

	for (int i = 0; i < lengthof(tables_about_relations); i++)
	{
		StewardTable table = tables_about_relations[i].table;
		Relation	rel = table_open(steward_table(table), delete ? RowExclusiveLock : AccessShareLock);
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tup;

		ScanKeyInit(&key, tables_about_relations[i].attno, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(relid));
		scan = systable_beginscan(rel, steward_index(table), true, NULL, 1, &key);
		while (HeapTupleIsValid(tup = systable_getnext(scan)))
		{
			found = true;
			if (delete)
				CatalogTupleDelete(rel, &tup->t_self);
			else
				break;
		}
		systable_endscan(scan);
		table_close(rel, delete ? NoLock : AccessShareLock);
	}
	return found;
}

/* Is there a row policy of this name on the relation? */
bool
guard_policy_is_registered(Oid relid, Name name)
{
	Relation	rel = table_open(steward_table(TABLE_ROW_POLICY), AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	bool		registered;

	ScanKeyInit(&key[0], Anum_row_policy_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_row_policy_name, BTEqualStrategyNumber,
				F_NAMEEQ, NameGetDatum(name));
	scan = systable_beginscan(rel, steward_index(TABLE_ROW_POLICY), true, NULL, 2, key);
	registered = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return registered;
}

/* Do tables of governance speak of the relation? */
bool
guard_has_rows_about(Oid relid)
{
	return visit_rows_about(relid, false);
}

/*
 * Deletes what they say of a relation that is dropped.  Their triggers do not
 * fire: this is for drops outside of statements.
 */
void
guard_delete_rows_about(Oid relid)
{
	if (visit_rows_about(relid, true))
	{
		governance_changed(steward_table(TABLE_PROTECTED_RELATION));
		history_touch_everything();
	}
}
