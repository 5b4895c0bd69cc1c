/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  Creates and drops the native policies that carry ours, and switches
 *	  row security of governed tables.
 *
 * These functions do what no SQL function of ours could do safely with text:
 * the expression is parsed by itself, checked, and handed to CreatePolicy()
 * as a tree.  They are called by the SQL functions of access.sql, which have
 * checked who calls, and by nobody else.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_type.h"
#include "commands/policy.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_relation.h"
#include "rewrite/rowsecurity.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/*
 * Analyses an expression on the relation as core will do, with error
 * positions in the expression, and checks what it uses.
 */
static void
check_on_relation(const char *what, const char *text, Relation rel, Oid creator)
{
	ErrorContextCallback callback;
	Node	   *raw = expression_parse(what, text);
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *nsitem;
	Node	   *expr;

	pstate->p_sourcetext = text;
	nsitem = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, false);
	addNSItemToQuery(pstate, nsitem, false, true, true);

	expression_context_push(&callback, text);
	expr = transformWhereClause(pstate, raw, EXPR_KIND_POLICY, "POLICY");
	assign_expr_collations(pstate, expr);
	expression_context_pop(&callback);
	free_parsestate(pstate);

	if (OidIsValid(creator))
		expression_check(expr, text, creator);
}

/*
 * Refuses what is no table of a user.  The SQL functions have looked already;
 * a superuser who calls these functions himself has not.
 */
static void
require_user_table(Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	if (relid < FirstNormalObjectId ||
		(relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		 relkind != RELKIND_FOREIGN_TABLE))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 get_rel_name(relid) == NULL ?
				 errmsg("relation with OID %u does not exist", relid) :
				 errmsg("\"%s\" is not a table of a user", get_rel_name(relid))));
}

STEWARD_FUNCTION(steward_create_carrier);

/*
 * create_carrier(relation, name, using, check, creator): makes the native
 * policy.  creator is whose rights sub-selects will use; NULL skips the
 * checks, for copies of policies that were checked before.
 */
Datum
steward_create_carrier(PG_FUNCTION_ARGS)
{
	Oid			relid;
	char	   *name;
	char	   *using_text;
	char	   *check_text = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	Oid			creator = PG_ARGISNULL(4) ? InvalidOid : PG_GETARG_OID(4);
	CreatePolicyStmt *stmt = makeNode(CreatePolicyStmt);
	RoleSpec   *carrier = makeNode(RoleSpec);
	Relation	rel;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation, name and using expression must not be null")));
	relid = PG_GETARG_OID(0);
	name = pstrdup(NameStr(*PG_GETARG_NAME(1)));
	using_text = text_to_cstring(PG_GETARG_TEXT_PP(2));
	require_user_table(relid);

	/* The lock that CreatePolicy() will take; taken first, it cannot deadlock. */
	rel = table_open(relid, AccessExclusiveLock);

	check_on_relation("using_expr", using_text, rel, creator);
	if (check_text != NULL)
		check_on_relation("check_expr", check_text, rel, creator);

	carrier->roletype = ROLESPEC_CSTRING;
	carrier->rolename = pstrdup(steward_role_name(STEWARD_CARRIER));
	carrier->location = -1;

	stmt->policy_name = name;
	stmt->table = makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
							   pstrdup(RelationGetRelationName(rel)), -1);
	stmt->cmd_name = "all";
	stmt->permissive = true;
	stmt->roles = list_make1(carrier);
	stmt->qual = expression_parse("using_expr", using_text);
	stmt->with_check = check_text == NULL ? NULL : expression_parse("check_expr", check_text);
	(void) CreatePolicy(stmt);

	table_close(rel, NoLock);
	governance_changed(relid);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

STEWARD_FUNCTION(steward_drop_carrier);

/* drop_carrier(relation, name): drops the native policy, where there is one. */
Datum
steward_drop_carrier(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *name = NameStr(*PG_GETARG_NAME(1));
	Oid			policy;

	require_user_table(relid);
	LockRelationOid(relid, AccessExclusiveLock);
	policy = get_relation_policy_oid(relid, name, true);
	if (OidIsValid(policy))
	{
		ObjectAddress address;

		ObjectAddressSet(address, PolicyRelationId, policy);
		performDeletion(&address, DROP_RESTRICT, 0);
	}
	governance_changed(relid);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/*
 * Switches row security of one relation, whoever owns it.  A relation that
 * is switched off keeps its native policies.
 */
void
relation_set_row_security(Oid relid, bool enabled, bool forced)
{
	Relation	pg_class = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tup = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;

	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	form = (Form_pg_class) GETSTRUCT(tup);
	if ((form->relkind == RELKIND_RELATION || form->relkind == RELKIND_PARTITIONED_TABLE) &&
		(form->relrowsecurity != enabled || form->relforcerowsecurity != forced))
	{
		form->relrowsecurity = enabled;
		form->relforcerowsecurity = forced;
		CatalogTupleUpdate(pg_class, &tup->t_self, tup);
	}
	heap_freetuple(tup);
	table_close(pg_class, RowExclusiveLock);
}

STEWARD_FUNCTION(steward_set_row_security);

/*
 * set_row_security(relation, enabled, forced): the same for a relation and
 * all its partitions and inheritance children.
 */
Datum
steward_set_row_security(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	bool		enabled = PG_GETARG_BOOL(1);
	bool		forced = PG_GETARG_BOOL(2);
	ListCell   *lc;

	require_user_table(relid);
	/* find_all_inheritors() locks all but the relation itself */
	LockRelationOid(relid, AccessExclusiveLock);
	foreach(lc, find_all_inheritors(relid, AccessExclusiveLock, NULL))
	{
		relation_set_row_security(lfirst_oid(lc), enabled, forced);
		governance_changed(lfirst_oid(lc));
	}
	CommandCounterIncrement();
	PG_RETURN_VOID();
}
