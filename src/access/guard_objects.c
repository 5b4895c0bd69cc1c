/*-------------------------------------------------------------------------
 *
 * guard_objects.c
 *	  Decides about each catalog object that a command makes, alters or
 *	  drops: on a governed table, could it show hidden rows?
 *
 * PostgreSQL calls the object access hook with OIDs, and before it reads rows
 * for the object (builds an index, validates a constraint, rewrites a table).
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
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Governed tables that an error names, at most. */
#define NAMED_TABLES	5

/* ------------------------------------------------------------------------
 * Refusals
 * ------------------------------------------------------------------------
 */

/* Refuses an action on a governed relation unless the subject may. */
void
guard_require_allowance(Oid relid, const char *action, const char *detail)
{
	if (guard_governs(relid) && !ddl_is_allowed(relid))
		guard_refuse(relid, action, detail);
}

/* Is a check of this relation's objects due now?  Not where governance is not,
 * nor where the subject may, nor where all is checked at the statement's end.
 */
static bool
is_watched(Oid relid)
{
	if (!OidIsValid(relid) || guard_checks_later(relid) || !guard_governs(relid))
		return false;
	if (!ddl_is_allowed(relid))
		return true;
	/* Rows are read for it, perhaps by code of users. */
	if (guard_within(T_IndexStmt) || guard_within(T_AlterTableStmt))
		record_utility_access(relid, record_utility_command(), guard_subject());
	return false;
}

/* Refuses, for everybody, what would take the extension from governed tables. */
static void
refuse_removal(void)
{
	char	   *names = guard_name_protected(NAMED_TABLES);

	if (names != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("extension \"pg_steward\" cannot be dropped while it governs tables"),
				 errdetail("Without it nobody but superusers would see the rows of %s.", names),
				 errhint("SELECT * FROM steward.prepare_removal() tells what is in the way of removing pg_steward, and what to do; steward.unprotect(relation, reason) ends the governance of a table.")));
}

/* The policy as it was before this command, and as it is now. */
static bool
policy_tuple_is_carried(HeapTuple tup)
{
	Relation	rel = table_open(PolicyRelationId, AccessShareLock);
	bool		isnull;
	Datum		d = heap_getattr(tup, Anum_pg_policy_polroles, RelationGetDescr(rel), &isnull);
	Oid			carrier = steward_role(STEWARD_CARRIER);
	bool		carried = false;
	Datum	   *roles;
	int			nroles;

	deconstruct_array(DatumGetArrayTypeP(d), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &roles, NULL, &nroles);
	for (int i = 0; i < nroles; i++)
		carried |= OidIsValid(carrier) && DatumGetObjectId(roles[i]) == carrier;
	table_close(rel, AccessShareLock);
	return carried;
}

/* Finds a policy; before: as it was before this command. */
static HeapTuple
fetch_policy(Oid policyid, bool before)
{
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;

	if (!before)
		return guard_fetch_new(PolicyRelationId, PolicyOidIndexId, Anum_pg_policy_oid, policyid);
	rel = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_policy_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(policyid));
	scan = systable_beginscan(rel, PolicyOidIndexId, true, NULL, 1, &key);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
		tup = heap_copytuple(tup);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tup;
}

/*
 * Refuses, for everybody, to touch a native policy that carries one of ours.
 * One that carries none (a restore that failed may leave it) is like others.
 */
static void
refuse_if_registered(HeapTuple policy)
{
	Form_pg_policy form = (Form_pg_policy) GETSTRUCT(policy);

	if (!guard_policy_is_registered(form->polrelid, &form->polname))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("policy \"%s\" of table \"%s\" belongs to pg_steward",
					NameStr(form->polname), get_rel_name(form->polrelid)),
			 errdetail("It carries the expressions of the row policy of that name."),
			 errhint("Use steward.create_row_policy(..., replace => true) or steward.drop_row_policy().")));
}

/* ------------------------------------------------------------------------
 * Objects that are made or altered
 * ------------------------------------------------------------------------
 */

static void
policy_written(Oid policyid)
{
	HeapTuple	before = fetch_policy(policyid, true);
	HeapTuple	now = fetch_policy(policyid, false);
	Oid			relid;

	if (!HeapTupleIsValid(now))
		return;
	if ((guard_within(T_AlterPolicyStmt) || guard_within(T_RenameStmt)) &&
		HeapTupleIsValid(before) && policy_tuple_is_carried(before))
		refuse_if_registered(before);
	relid = ((Form_pg_policy) GETSTRUCT(now))->polrelid;
	guard_require_allowance(relid, "write row policies of",
							"Its expression would be asked about rows that are hidden.");
}

static void
trigger_written(Oid triggerid)
{
	HeapTuple	tup = guard_fetch_new(TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, triggerid);
	Form_pg_trigger form;

	if (!HeapTupleIsValid(tup))
		return;
	form = (Form_pg_trigger) GETSTRUCT(tup);
	if (!form->tgisinternal && is_watched(form->tgrelid) && !guard_trigger_is_clone(tup))
		guard_refuse(form->tgrelid, "create or alter triggers of",
					 "A trigger sees the rows that others write.");
}

static void
rule_written(Oid ruleid)
{
	HeapTuple	tup = guard_fetch_new(RewriteRelationId, RewriteOidIndexId, Anum_pg_rewrite_oid, ruleid);

	if (HeapTupleIsValid(tup) && is_watched(((Form_pg_rewrite) GETSTRUCT(tup))->ev_class))
		guard_refuse(((Form_pg_rewrite) GETSTRUCT(tup))->ev_class, "create or alter rules of",
					 "A rule sees the rows that others write.");
}

/* A constraint, of a table or of a domain that tables use. */
static void
constraint_written(Oid constraintid, bool altered)
{
	HeapTuple	tup = guard_fetch_new(ConstraintRelationId, ConstraintOidIndexId, Anum_pg_constraint_oid, constraintid);
	Form_pg_constraint form;
	char	   *problem;

	if (!HeapTupleIsValid(tup))
		return;
	form = (Form_pg_constraint) GETSTRUCT(tup);
	if (form->contype != CONSTRAINT_CHECK)
		return;
	if (altered)
	{
		/* Renaming is fine, validating is not. */
		HeapTuple	before = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraintid));
		bool		validated = HeapTupleIsValid(before) &&
		((Form_pg_constraint) GETSTRUCT(before))->convalidated;

		if (HeapTupleIsValid(before))
			ReleaseSysCache(before);
		if (validated || !form->convalidated)
			return;
	}
	if (OidIsValid(form->conrelid))
	{
		/* DETACH PARTITION CONCURRENTLY makes one of the partition's bounds. */
		if ((current_level != NULL && current_level->detaches) || !is_watched(form->conrelid))
			return;
		problem = guard_check_constraint(tup, true);
		if (problem != NULL)
			guard_refuse(form->conrelid, "add or validate such a constraint on", problem);
	}
	else if (OidIsValid(form->contypid))
	{
		ListCell   *lc;

		foreach(lc, guard_relations_of_type(form->contypid))
			guard_require_allowance(lfirst_oid(lc), "constrain a domain that is used by",
									"The constraint would be tested on rows that are hidden.");
	}
}

static void
index_made(Oid indexid)
{
	Oid			relid;
	HeapTuple	tup = guard_fetch_new(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, indexid);
	char	   *problem;

	if (!HeapTupleIsValid(tup))
		return;
	relid = ((Form_pg_index) GETSTRUCT(tup))->indrelid;

	/* REINDEX CONCURRENTLY copies an index that is there. */
	if (guard_within(T_ReindexStmt) || !is_watched(relid) || guard_index_is_clone(indexid))
		return;
	problem = guard_check_index(indexid);
	if (problem != NULL)
		guard_refuse(relid, "create such an index on", problem);
}

/* A relation or column is made. */
static void
relation_made(Oid relid, int attnum)
{
	if (attnum != 0)
	{
		char	   *problem;

		if (!is_watched(relid))
			return;
		problem = guard_check_new_column(relid, attnum);
		if (problem != NULL)
			guard_refuse(relid, "add such a column to", problem);
	}
	else
	{
		HeapTuple	tup = guard_fetch_new(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, relid);

		if (!HeapTupleIsValid(tup))
			return;
		switch (((Form_pg_class) GETSTRUCT(tup))->relkind)
		{
			case RELKIND_INDEX:
			case RELKIND_PARTITIONED_INDEX:
				index_made(relid);
				break;
			case RELKIND_RELATION:
			case RELKIND_PARTITIONED_TABLE:
			case RELKIND_FOREIGN_TABLE:
				if (current_level != NULL)
					guard_note(&current_level->created, relid);
				break;
		}
	}
}

/* A column is altered: its name is followed, its type is looked at. */
static void
column_altered(Oid relid, AttrNumber attnum)
{
	char	   *problem;

	if (guard_within(T_RenameStmt))
	{
		HeapTuple	old = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
		Relation	rel = table_open(AttributeRelationId, AccessShareLock);
		ScanKeyData key[2];
		SysScanDesc scan;
		HeapTuple	tup;

		ScanKeyInit(&key[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(relid));
		ScanKeyInit(&key[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber,
					F_INT2EQ, Int16GetDatum(attnum));
		scan = systable_beginscan(rel, AttributeRelidNumIndexId, true, SnapshotSelf, 2, key);
		tup = systable_getnext(scan);
		if (HeapTupleIsValid(tup) && HeapTupleIsValid(old) && guard_is_protected(relid))
		{
			RenamedColumn *renamed = guard_alloc(sizeof(RenamedColumn));

			renamed->relid = relid;
			renamed->old = ((Form_pg_attribute) GETSTRUCT(old))->attname;
			renamed->new = ((Form_pg_attribute) GETSTRUCT(tup))->attname;
			guard_append(&current_level->renamed, renamed);
		}
		systable_endscan(scan);
		table_close(rel, AccessShareLock);
		if (HeapTupleIsValid(old))
			ReleaseSysCache(old);
		return;
	}
	if (!is_watched(relid))
		return;
	problem = guard_check_altered_column(relid, attnum);
	if (problem == NULL && current_level != NULL && current_level->using_clause)
		problem = "The USING expression would be evaluated for rows that are hidden.";
	if (problem != NULL)
		guard_refuse(relid, "change the type of a column of", problem);
}

/* A relation moves into another schema, of which all tables may be published. */
static void
relation_altered(Oid relid)
{
	HeapTuple	tup;

	if (!is_watched(relid))
		return;
	tup = guard_fetch_new(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, relid);
	if (HeapTupleIsValid(tup))
	{
		Oid			nsp = ((Form_pg_class) GETSTRUCT(tup))->relnamespace;

		if (nsp != get_rel_namespace(relid) && GetSchemaPublications(nsp) != NIL)
			guard_refuse(relid, "publish", "All tables of the schema are published.");
	}
}

/*
 * A relation gets or loses a parent.  A governed one must not get a parent
 * through which its rows could be read by fewer rules than govern it.
 */
static void
inheritance_written(Oid child, Oid parent)
{
	List	   *above = guard_protectors(parent);

	if (!guard_inherits(child, parent, true))
	{
		if (above != NIL && current_level != NULL)
		{
			guard_note(&current_level->left, child);
			guard_note(&current_level->left, parent);
		}
		return;
	}

	if (get_rel_relkind(child) != '\0' || guard_checks_later(child))
	{
		List	   *members = guard_checks_later(child) ? list_make1_oid(child) :
		find_all_inheritors(child, NoLock, NULL);
		ListCell   *lc;

		foreach(lc, members)
		{
			List	   *own = guard_protectors(lfirst_oid(lc));

			if (list_difference_oid(own, above) != NIL && !ddl_is_allowed(lfirst_oid(lc)))
				guard_refuse(lfirst_oid(lc), "give another parent to",
							 psprintf("Its rows would be seen through table \"%s\", which its policies do not govern.",
									  get_rel_name(parent)));
		}
	}
	if (above != NIL && current_level != NULL)
	{
		/* What is governed already stays under watch. */
		if (!guard_governs(child))
			guard_note(&current_level->created, child);
		guard_note(&current_level->joined, child);
	}
}

/* Refuses to publish the relation or what is read through it. */
static void
require_publishable(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		guard_require_allowance(lfirst_oid(lc), "publish", "Subscribers would receive every row.");
}

static void
require_schema_publishable(Oid nspid)
{
	ListCell   *lc;

	foreach(lc, guard_everything())
		if (!OidIsValid(nspid) || get_rel_namespace(lfirst_oid(lc)) == nspid)
		guard_require_allowance(lfirst_oid(lc), "publish", "Subscribers would receive every row.");
}

static void
publication_relation_written(Oid oid)
{
	HeapTuple	tup = guard_fetch_new(PublicationRelRelationId, PublicationRelObjectIndexId,
									  Anum_pg_publication_rel_oid, oid);

	if (HeapTupleIsValid(tup))
		require_publishable(((Form_pg_publication_rel) GETSTRUCT(tup))->prrelid);
}

static void
publication_schema_written(Oid oid)
{
	HeapTuple	tup = guard_fetch_new(PublicationNamespaceRelationId, PublicationNamespaceObjectIndexId,
									  Anum_pg_publication_namespace_oid, oid);

	if (HeapTupleIsValid(tup))
		require_schema_publishable(((Form_pg_publication_namespace) GETSTRUCT(tup))->pnnspid);
}

/* A publication is made, with all that it publishes. */
static void
publication_made(Oid pubid)
{
	HeapTuple	pub = guard_fetch_new(PublicationRelationId, PublicationObjectIndexId, Anum_pg_publication_oid, pubid);
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;

	if (!HeapTupleIsValid(pub))
		return;
	if (((Form_pg_publication) GETSTRUCT(pub))->puballtables)
		require_schema_publishable(InvalidOid);

	rel = table_open(PublicationRelRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_publication_rel_prpubid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(pubid));
	scan = systable_beginscan(rel, PublicationRelPrpubidIndexId, true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
		require_publishable(((Form_pg_publication_rel) GETSTRUCT(tup))->prrelid);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	rel = table_open(PublicationNamespaceRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_publication_namespace_pnpubid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(pubid));
	scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
		require_schema_publishable(((Form_pg_publication_namespace) GETSTRUCT(tup))->pnnspid);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* A function is replaced or altered on which a governed table's objects call. */
static void
function_written(Oid funcid)
{
	ListCell   *lc;

	foreach(lc, guard_relations_of_function(funcid))
		guard_require_allowance(lfirst_oid(lc), "change a function that is called for rows of",
								"It is part of an index, constraint, default, trigger, rule or policy of the table.");
}

/* A domain is altered; its default runs with the rights of whoever inserts. */
static void
type_altered(Oid typid)
{
	HeapTuple	tup = guard_fetch_new(TypeRelationId, TypeOidIndexId, Anum_pg_type_oid, typid);
	char	   *problem;
	ListCell   *lc;

	if (!HeapTupleIsValid(tup) || ((Form_pg_type) GETSTRUCT(tup))->typtype != TYPTYPE_DOMAIN)
		return;
	problem = guard_check_domain_default(tup);
	if (problem == NULL)
		return;
	foreach(lc, guard_relations_of_type(typid))
		guard_require_allowance(lfirst_oid(lc), "give such a default to a domain that is used by", problem);
}

static void
default_written(Oid relid, AttrNumber attnum)
{
	char	   *problem;

	if (!is_watched(relid))
		return;
	problem = guard_check_default(relid, attnum);
	if (problem != NULL)
		guard_refuse(relid, "give such a default to a column of", problem);
}

static void
statistics_made(Oid oid)
{
	HeapTuple	tup = guard_fetch_new(StatisticExtRelationId, StatisticExtOidIndexId,
									  Anum_pg_statistic_ext_oid, oid);
	Oid			relid;
	char	   *problem;

	if (!HeapTupleIsValid(tup))
		return;
	relid = ((Form_pg_statistic_ext) GETSTRUCT(tup))->stxrelid;
	if (!is_watched(relid))
		return;
	problem = guard_check_statistics(tup);
	if (problem != NULL)
		guard_refuse(relid, "create such statistics on", problem);
}

/* ------------------------------------------------------------------------
 * Objects that are dropped
 * ------------------------------------------------------------------------
 */

/* Is the object one without which nothing is governed? */
static bool
is_own_object(Oid classid, Oid objid)
{
	switch (classid)
	{
		case ExtensionRelationId:
			return objid == get_extension_oid("pg_steward", true);
		case NamespaceRelationId:
			return objid == steward_namespace();
		case RelationRelationId:
			for (int i = 0; i < STEWARD_TABLE_COUNT; i++)
				if (objid == steward_table((StewardTable) i) || objid == steward_index((StewardTable) i))
					return true;
			break;
	}
	return false;
}

static void
policy_dropped(Oid policyid)
{
	HeapTuple	tup = fetch_policy(policyid, true);
	Form_pg_policy form;
	bool		by_name;

	if (!HeapTupleIsValid(tup) || current_level == NULL)
		return;
	form = (Form_pg_policy) GETSTRUCT(tup);
	by_name = guard_within(T_DropStmt) && current_level->object == OBJECT_POLICY;
	if (policy_tuple_is_carried(tup) &&
		guard_policy_is_registered(form->polrelid, &form->polname))
	{
		LostPolicy *lost;

		if (by_name)
			refuse_if_registered(tup);
		lost = guard_alloc(sizeof(LostPolicy));
		lost->relid = form->polrelid;
		lost->name = form->polname;
		guard_append(&current_level->lost, lost);
	}
	else if (by_name)
		guard_require_allowance(form->polrelid, "drop row policies of", NULL);
}

/* The column that names the entity is needed as long as the table is governed. */
static void
column_dropped(Oid relid, AttrNumber attnum)
{
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	char	   *name = get_attname(relid, attnum, true);

	rel = table_open(steward_table(TABLE_PROTECTED_RELATION), AccessShareLock);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, steward_index(TABLE_PROTECTED_RELATION), true, NULL, 1, &key);
	if (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		d = heap_getattr(tup, get_attnum(RelationGetRelid(rel), "entity_column"),
									 RelationGetDescr(rel), &isnull);

		if (!isnull && name != NULL && strcmp(NameStr(*DatumGetName(d)), name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop column \"%s\" of governed table \"%s\"", name, get_rel_name(relid)),
					 errdetail("It is the table's entity column."),
					 errhint("An administrator can name another, or none, with steward.protect(relation, ..., entity_column => ...).")));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static void
object_dropped(Oid classid, Oid objid, int subid)
{
	if (is_own_object(classid, objid))
	{
		refuse_removal();
		return;
	}
	if (classid == PolicyRelationId)
		policy_dropped(objid);
	else if (classid == RelationRelationId && subid != 0)
		column_dropped(objid, subid);
	else if (classid == RelationRelationId && guard_has_rows_about(objid))
	{
		if (current_level != NULL)
			guard_note(&current_level->dropped, objid);
		else
			guard_delete_rows_about(objid);
	}
}

/* ------------------------------------------------------------------------
 * The object access hook
 * ------------------------------------------------------------------------
 */

/*
 * Called for each catalog object that a command makes, alters or drops, and
 * for each table that it truncates; raises insufficient_privilege for what
 * could show hidden rows of a governed table.
 */
void
access_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	bool		internal = false;

	/* Functions and schemas are looked up all the time. */
	if (access != OAT_POST_CREATE && access != OAT_POST_ALTER &&
		access != OAT_DROP && access != OAT_TRUNCATE)
		return;
	history_object_access(access, classId, objectId, subId);
	if ((current_level != NULL && current_level->finishing) || !governance_any())
		return;

	switch (access)
	{
		case OAT_TRUNCATE:
			guard_require_allowance(objectId, "truncate", "Rows that are hidden would go with those that are not.");
			if (guard_governs(objectId))
				record_utility_access(objectId, "truncate", guard_subject());
			return;
		case OAT_DROP:
			object_dropped(classId, objectId, subId);
			return;
		case OAT_POST_CREATE:
			internal = arg != NULL && ((ObjectAccessPostCreate *) arg)->is_internal;
			break;
		default:
			break;
	}

	switch (classId)
	{
		case RelationRelationId:
			if (access == OAT_POST_CREATE)
				relation_made(objectId, subId);
			else if (subId != 0)
				column_altered(objectId, subId);
			else
				relation_altered(objectId);
			break;
		case InheritsRelationId:
			if (access == OAT_POST_ALTER && arg != NULL)
				inheritance_written(objectId, ((ObjectAccessPostAlter *) arg)->auxiliary_id);
			break;
		case AttrDefaultRelationId:
			/* ALTER COLUMN TYPE writes the default that is there again. */
			if (access == OAT_POST_CREATE && !internal)
				default_written(objectId, subId);
			break;
		case ConstraintRelationId:
			constraint_written(objectId, access == OAT_POST_ALTER);
			break;
		case TriggerRelationId:
			trigger_written(objectId);
			break;
		case RewriteRelationId:
			rule_written(objectId);
			break;
		case PolicyRelationId:
			policy_written(objectId);
			break;
		case StatisticExtRelationId:
			if (access == OAT_POST_CREATE)
				statistics_made(objectId);
			break;
		case ProcedureRelationId:
			function_written(objectId);
			break;
		case TypeRelationId:
			if (access == OAT_POST_ALTER)
				type_altered(objectId);
			break;
		case PublicationRelationId:
			if (access == OAT_POST_CREATE)
				publication_made(objectId);
			break;
		case PublicationRelRelationId:
			publication_relation_written(objectId);
			break;
		case PublicationNamespaceRelationId:
			publication_schema_written(objectId);
			break;
	}
}
