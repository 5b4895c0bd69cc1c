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
#include "access/history.h"
#include "access/htup_details.h"
#include "access/mask.h"
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
#include "nodes/nodeFuncs.h"
#include "parser/parse_clause.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "rewrite/rewriteManip.h"
#include "rewrite/rowsecurity.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

/* A parse state in which the columns of the relation can be named. */
ParseState *
policy_parse_state(Relation rel, const char *text)
{
	ParseState *pstate = make_parsestate(NULL);

	pstate->p_sourcetext = text;

	addNSItemToQuery(pstate,
					 addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, false),
					 false, true, true);
	return pstate;
}

/*
 * Analyses an expression on the relation as core will do, with error
 * positions in the expression, and checks what it uses.
 */
static void
check_on_relation(const char *what, const char *text, Relation rel, Oid creator)
{
	ErrorContextCallback callback;
	Node	   *raw = expression_parse(what, text);
	ParseState *pstate = policy_parse_state(rel, text);
	Node	   *expr;

	if (OidIsValid(creator))
		mask_hash_prepare(raw);
	expression_context_push(&callback, text);
	expr = transformWhereClause(pstate, raw, EXPR_KIND_POLICY, "POLICY");
	assign_expr_collations(pstate, expr);
	mask_hash_check(pstate, expr, InvalidOid, -1);
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

/* Has CreatePolicy() make a native policy that carries these expressions. */
static void
create_native_policy(Relation rel, char *name, Node *qual, Node *with_check)
{
	CreatePolicyStmt *stmt = makeNode(CreatePolicyStmt);
	RoleSpec   *carrier = makeNode(RoleSpec);

	carrier->roletype = ROLESPEC_CSTRING;
	carrier->rolename = pstrdup(steward_role_name(STEWARD_CARRIER));
	carrier->location = -1;

	stmt->policy_name = name;
	stmt->table = makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
							   pstrdup(RelationGetRelationName(rel)), -1);
	stmt->cmd_name = "all";
	stmt->permissive = true;
	stmt->roles = list_make1(carrier);
	stmt->qual = qual;
	stmt->with_check = with_check;
	(void) CreatePolicy(stmt);

	governance_changed(RelationGetRelid(rel));
	CommandCounterIncrement();
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
	Relation	rel;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation, name and using expression must not be null")));
	relid = PG_GETARG_OID(0);
	name = pstrdup(NameStr(*PG_GETARG_NAME(1)));
	using_text = text_to_cstring(PG_GETARG_TEXT_PP(2));
	require_user_table(relid);

	/*
	 * The lock that CreatePolicy() will take; taken first, it cannot
	 * deadlock.
	 */
	rel = table_open(relid, AccessExclusiveLock);

	check_on_relation("using_expr", using_text, rel, creator);
	if (check_text != NULL)
		check_on_relation("check_expr", check_text, rel, creator);

	create_native_policy(rel, name, expression_parse("using_expr", using_text),
						 check_text == NULL ? NULL : expression_parse("check_expr", check_text));
	if (OidIsValid(creator))
		history_note_written(relid, name, using_text, check_text);
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}

/* Checks that a mask fits its column and uses what it may. */
static void
check_mask(const char *text, Relation rel, Form_pg_attribute att, Oid creator)
{
	ErrorContextCallback callback;
	Node	   *raw = expression_parse("mask_expr", text);
	ParseState *pstate = policy_parse_state(rel, text);
	Node	   *expr;
	Node	   *coerced;

	if (OidIsValid(creator))
		mask_hash_prepare(raw);
	expression_context_push(&callback, text);
	expr = transformExpr(pstate, raw, EXPR_KIND_POLICY);
	coerced = coerce_to_target_type(pstate, expr, exprType(expr), att->atttypid, att->atttypmod,
									COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (coerced == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("mask is of type %s but column \"%s\" is of type %s",
						format_type_be(exprType(expr)), NameStr(att->attname),
						format_type_be(att->atttypid)),
				 errhint("Cast the mask to the type of the column.")));
	assign_expr_collations(pstate, coerced);
	mask_hash_check(pstate, coerced, att->atttypid, att->atttypmod);
	expression_context_pop(&callback);
	free_parsestate(pstate);
	if (OidIsValid(creator))
		expression_check(coerced, text, creator);
}

STEWARD_FUNCTION(steward_create_mask_carrier);

/*
 * create_mask_carrier(relation, name, attnum, mask, when, creator): makes the
 * native policy that carries a mask, ROW(mask, column) IS NOT NULL.
 */
Datum
steward_create_mask_carrier(PG_FUNCTION_ARGS)
{
	Oid			relid;
	char	   *mask_text;
	char	   *when_text = PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4));
	Oid			creator = PG_ARGISNULL(5) ? InvalidOid : PG_GETARG_OID(5);
	AttrNumber	attno;
	Form_pg_attribute att;
	Relation	rel;
	NullTest   *test = makeNode(NullTest);
	RowExpr    *row = makeNode(RowExpr);
	TypeCast   *cast = makeNode(TypeCast);
	ColumnRef  *column = makeNode(ColumnRef);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation, name, column and mask must not be null")));
	relid = PG_GETARG_OID(0);
	attno = PG_GETARG_INT16(2);
	mask_text = text_to_cstring(PG_GETARG_TEXT_PP(3));
	require_user_table(relid);

	rel = table_open(relid, AccessExclusiveLock);
	if (attno < 1 || attno > RelationGetNumberOfAttributes(rel) ||
		TupleDescAttr(RelationGetDescr(rel), attno - 1)->attisdropped)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column number %d of table \"%s\" does not exist",
						attno, RelationGetRelationName(rel))));
	att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	check_mask(mask_text, rel, att, creator);
	if (when_text != NULL)
		check_on_relation("when_expr", when_text, rel, creator);

	cast->arg = expression_parse("mask_expr", mask_text);
	cast->typeName = makeTypeNameFromOid(att->atttypid, att->atttypmod);
	cast->location = -1;
	column->fields = list_make1(makeString(pstrdup(NameStr(att->attname))));
	column->location = -1;
	row->args = list_make2(cast, column);
	row->row_format = COERCE_EXPLICIT_CALL;
	row->location = -1;
	test->arg = (Expr *) row;
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;

	create_native_policy(rel, mask_carrier_name(NameStr(*PG_GETARG_NAME(1))), (Node *) test,
						 when_text == NULL ? NULL : expression_parse("when_expr", when_text));
	if (OidIsValid(creator))
		history_note_written(relid, mask_carrier_name(NameStr(*PG_GETARG_NAME(1))), mask_text, when_text);
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}

STEWARD_FUNCTION(steward_check_tag_mask);

/*
 * check_tag_mask(mask, relation, attnum): raises where a mask by tag
 * does not fit a column that bears the tag, or uses what it must not; with 0
 * for the relation, where it is no expression at all.
 */
Datum
steward_check_tag_mask(PG_FUNCTION_ARGS)
{
	char	   *mask_text = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			relid = PG_GETARG_OID(1);
	AttrNumber	attno = PG_GETARG_INT16(2);
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (!OidIsValid(relid))
	{
		mask_hash_prepare(expression_parse("mask_expr", mask_text));
		PG_RETURN_VOID();
	}
	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	expression_check((Node *) mask_parse_for_column(mask_text, attno, type, typmod, collation),
					 mask_text, InvalidOid);
	PG_RETURN_VOID();
}

typedef struct WholeRowContext
{
	Oid			rowtype;
	int			sublevels_up;
} WholeRowContext;

/* References to the whole row mean the row of the other relation. */
static bool
retype_whole_rows(Node *node, WholeRowContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno == 1 && var->varlevelsup == context->sublevels_up && var->varattno == 0)
			var->vartype = context->rowtype;
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		context->sublevels_up++;
		result = query_tree_walker((Query *) node, retype_whole_rows, context, 0);
		context->sublevels_up--;
		return result;
	}
	return expression_tree_walker(node, retype_whole_rows, context);
}

STEWARD_FUNCTION(steward_carried_expression);

/*
 * carried_expression(from, name, to, check): the using (or check) expression
 * that a native policy carries, as text in terms of another relation that has
 * columns of the same names; NULL where there is none.
 */
Datum
steward_carried_expression(PG_FUNCTION_ARGS)
{
	Oid			from = PG_GETARG_OID(0);
	char	   *name = NameStr(*PG_GETARG_NAME(1));
	Oid			to = PG_GETARG_OID(2);
	bool		check = PG_GETARG_BOOL(3);
	Relation	from_rel = table_open(from, AccessShareLock);
	Relation	to_rel = table_open(to, AccessShareLock);
	Expr	   *expr = NULL;
	char	   *result = NULL;
	ListCell   *lc;

	foreach(lc, from_rel->rd_rsdesc == NULL ? NIL : from_rel->rd_rsdesc->policies)
	{
		RowSecurityPolicy *native = lfirst(lc);

		if (strcmp(native->policy_name, name) == 0 && policy_is_carried(native))
			expr = check ? native->with_check_qual : native->qual;
	}
	if (expr != NULL)
	{
		WholeRowContext context = {to_rel->rd_rel->reltype, 0};
		AttrMap    *map = build_attrmap_by_name(RelationGetDescr(to_rel), RelationGetDescr(from_rel)
												STEWARD_ATTRMAP_ARGS);
		bool		whole_row;

		expr = (Expr *) map_variable_attnos(copyObject((Node *) expr), 1, 0, map, InvalidOid, &whole_row);
		(void) retype_whole_rows((Node *) expr, &context);
		result = deparse_expression((Node *) expr,
									deparse_context_for(RelationGetRelationName(to_rel), to),
									false, false);
	}
	table_close(to_rel, AccessShareLock);
	table_close(from_rel, AccessShareLock);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

/* Drops a native policy, where there is one. */
static void
drop_native_policy(Oid relid, const char *name)
{
	Oid			policy = get_relation_policy_oid(relid, name, true);

	if (OidIsValid(policy))
	{
		ObjectAddress address;

		ObjectAddressSet(address, PolicyRelationId, policy);
		performDeletion(&address, DROP_RESTRICT, 0);
	}
}

STEWARD_FUNCTION(steward_drop_carrier);

/* drop_carrier(relation, name): drops the native policy, where there is one. */
Datum
steward_drop_carrier(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *name = NameStr(*PG_GETARG_NAME(1));

	require_user_table(relid);
	LockRelationOid(relid, AccessExclusiveLock);
	drop_native_policy(relid, name);
	governance_changed(relid);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/* Is the policy the net under the native policies of a relation's users? */
bool
policy_is_net(const RowSecurityPolicy *native)
{
	return !native->permissive && strcmp(native->policy_name, NET_POLICY) == 0;
}

/*
 * A permissive native policy of users would show rows on a server that was
 * started without the library.  A restrictive one beside it, which asks for
 * the library, closes that; with the library it is left out of plans.
 */
void
policy_ensure_net(Oid relid)
{
	CreatePolicyStmt *stmt = makeNode(CreatePolicyStmt);
	RoleSpec   *everybody = makeNode(RoleSpec);

	if (OidIsValid(get_relation_policy_oid(relid, NET_POLICY, true)))
		return;
	everybody->roletype = ROLESPEC_PUBLIC;
	everybody->location = -1;
	stmt->policy_name = pstrdup(NET_POLICY);
	stmt->table = makeRangeVar(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid), -1);
	stmt->cmd_name = "all";
	stmt->permissive = false;
	stmt->roles = list_make1(everybody);
	stmt->qual = expression_parse("net", "steward.library_enforces()");
	(void) CreatePolicy(stmt);
	CommandCounterIncrement();
}

/* Is the statement the one that made the net, as a dump has it? */
static bool
makes_net(const CreatePolicyStmt *stmt)
{
	FuncCall   *call = (FuncCall *) stmt->qual;

	return !stmt->permissive && strcmp(stmt->cmd_name, "all") == 0 && stmt->with_check == NULL &&
		list_length(stmt->roles) == 1 && linitial_node(RoleSpec, stmt->roles)->roletype == ROLESPEC_PUBLIC &&
		call != NULL && IsA(call, FuncCall) && call->args == NIL && list_length(call->funcname) == 2 &&
		strcmp(strVal(linitial(call->funcname)), "steward") == 0 &&
		strcmp(strVal(lsecond(call->funcname)), "library_enforces") == 0;
}

/*
 * CREATE POLICY of the net's name.  A dump brings it, in the order of names: a
 * policy that came before may have made it already.  Then the very same takes
 * its place; another one of that name is refused.
 */
void
policy_replace_net(Oid relid, const CreatePolicyStmt *stmt)
{
	if (!makes_net(stmt))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("policies of governed table \"%s\" cannot be called \"%s\"", get_rel_name(relid), NET_POLICY),
				 errhint("Choose another name: this policy is made where it is needed.")));
	drop_native_policy(relid, NET_POLICY);
	CommandCounterIncrement();
}

/* Has the relation a permissive native policy of its users? */
static bool
has_permissive_policy(Oid relid)
{
	Relation	rel = table_open(PolicyRelationId, AccessShareLock);
	Oid			carrier = steward_role(STEWARD_CARRIER);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	bool		found = false;

	ScanKeyInit(&key, Anum_pg_policy_polrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, PolicyPolrelidPolnameIndexId, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		ArrayType  *roles = DatumGetArrayTypeP(heap_getattr(tup, Anum_pg_policy_polroles,
															RelationGetDescr(rel), &isnull));

		found = ((Form_pg_policy) GETSTRUCT(tup))->polpermissive &&
			!(ARR_DIMS(roles)[0] == 1 && ((Oid *) ARR_DATA_PTR(roles))[0] == carrier);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
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

	if (enabled && forced)
	{
		if (has_permissive_policy(relid))
			policy_ensure_net(relid);
	}
	else
		drop_native_policy(relid, NET_POLICY);
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
		Oid			member = lfirst_oid(lc);

		/* What is governed all the same, by itself or by a parent, stays so. */
		if (!(enabled && forced) && access_is_governed(member))
			continue;
		relation_set_row_security(member, enabled, forced);
		governance_changed(member);
	}
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/*
 * The permissive policy that core gets for governed relations: TRUE, so that
 * it does not hide every row for lack of native policies.  Where users
 * defined native policies of their own, these count and are AND-ed with ours.
 */
List *
access_row_security(Relation relation)
{
	RowSecurityPolicy *policy;
	Datum		everybody = ObjectIdGetDatum(InvalidOid);

	if (!steward_is_created() || !access_is_governed(RelationGetRelid(relation)))
		return NIL;
	if (governance_has_native_policies(relation))
		return NIL;
	policy = palloc0(sizeof(RowSecurityPolicy));
	policy->policy_name = pstrdup("pg_steward");
	policy->polcmd = '*';
	policy->roles = construct_array(&everybody, 1, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
	policy->permissive = true;
	policy->qual = (Expr *) makeBoolConst(true, false);
	return list_make1(policy);
}
