/*-------------------------------------------------------------------------
 *
 * enforce.c
 *	  Puts the predicates into queries before they are planned, and checks,
 *	  before a plan runs, that it was made for the person who runs it.
 *
 * Governed relations are found wherever they stand: in views and sub-selects,
 * in CTEs, in SQL functions that the planner would inline (they are inlined
 * here, a moment earlier).  Predicates become security quals and WITH CHECK
 * options, as core makes them from native policies; see
 * get_row_security_policies() for which command needs which.
 *
 * What a plan was made for travels in PlannedStmt.invalItems, as items of
 * cache ids that no cache has: plans have no other room for it before 18.
 * A plan over governed relations also
 *	 - depends on a function and a table of ours, so that a change of role or
 *	   of policies makes plancache.c plan again (plans_forget(),
 *	   governance_changed());
 *	 - locks that table whenever it is taken from the plan cache, and has the
 *	   lock forget that invalidations were read, so that they are read again
 *	   before the next execution even inside one transaction.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/break.h"
#include "access/enforce.h"
#include "access/entity.h"
#include "access/mask.h"
#include "access/parallel.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/prep.h"
#include "parser/parsetree.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

struct AccessPlan
{
	Oid			subject;
	Oid			session;
	Oid			traced;			/* whom the last ITEM_TRACE concerns */
	bool		governed;		/* a governed relation was seen */
	int			naccesses;		/* noted for the access log */
	List	   *items;			/* of PlanInvalItem */
	Query	   *query;			/* as it came, and is being changed */
	List	   *session_values; /* see session_value.c */
	PlannerGlobal *glob;		/* dependencies of functions inlined here */
	ParamListInfo params;
};

typedef struct EnforceContext
{
	AccessPlan *plan;
	Oid			subject;		/* differs below trusted views */
	int			trace;			/* commands, TRACE_* of the relation at hand */
} EnforceContext;

/*
 * The plan that was made last.  Where it runs, it does not come from the plan
 * cache, which keeps copies: what was made after a copy is not at its address.
 */
static const PlannedStmt *last_planned = NULL;

static bool enforce_walker(Node *node, EnforceContext *context);

/* ------------------------------------------------------------------------
 * Items
 * ------------------------------------------------------------------------
 */

static PlanInvalItem *
make_item(int kind, Oid value)
{
	PlanInvalItem *item = makeNode(PlanInvalItem);

	item->cacheId = kind;
	item->hashValue = value;
	return item;
}

static void
add_item(AccessPlan *plan, int kind, Oid value)
{
	plan->items = lappend(plan->items, make_item(kind, value));
}

static bool
has_item(List *items, int kind, Oid value)
{
	ListCell   *lc;

	foreach(lc, items)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		if (item->cacheId == kind && item->hashValue == value)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * One relation of a query
 * ------------------------------------------------------------------------
 */

/* Relations that predicates and masks read are locked and need no policies. */
static void
note_relations(AccessPlan *plan, List *relations)
{
	ListCell   *lc;

	foreach(lc, relations)
	{
		LockRelationOid(lfirst_oid(lc), AccessShareLock);
		if (access_is_governed(lfirst_oid(lc)))
			add_item(plan, ITEM_SEEN, lfirst_oid(lc));
	}
}

/* Notes what a predicate needs: locks, items; refuses where nothing applies. */
static void
note_result(EnforceContext *context, const PolicySet *set, int command,
			const PredicateResult *result)
{
	AccessPlan *plan = context->plan;

	if (result->no_policy && steward_on_no_policy == ON_NO_POLICY_ERROR)
		refuse_no_policy(set, command, context->subject);
	if (result->needs_start_check)
	{
		add_item(plan, ITEM_NEED_SUBJECT, context->subject);
		add_item(plan, (result->relies_on_start ? ITEM_RELY : ITEM_NEED) - command, set->relid);
	}
	note_relations(plan, result->relations);
}

/*
 * Can predicates rely on the check at the start of the execution?  Not where a
 * broken glass may pass it: the glass may be whole again when rows are read.
 */
static bool
is_checked_at_start(EnforceContext *context, int command)
{
	return steward_on_no_policy == ON_NO_POLICY_ERROR &&
		(command != COMMAND_SELECT || !glass_concerns(context->subject));
}

/* Reading is lifted where the glass is broken; writing never is. */
static void
lift_by_glass(EnforceContext *context, Oid relid, PredicateResult *result)
{
	if (!glass_concerns(context->subject))
		return;
	result->expr = glass_or(relid, context->subject, result->expr);
	result->needs_start_check |= result->no_policy;
	result->no_policy = false;
	if (result->needs_start_check)
		add_item(context->plan, ITEM_NEED_RELATION, relid);
}

static bool
is_const_true(Node *node)
{
	return node == NULL ||
		(IsA(node, Const) && !((Const *) node)->constisnull &&
		 ((Const *) node)->consttype == BOOLOID && DatumGetBool(((Const *) node)->constvalue));
}

/* The expression (or list) with what it asks of the session as parameters. */
static void *
take_session_values(EnforceContext *context, void *expr)
{
	AccessPlan *plan = context->plan;

	if (plan->session_values == NIL)
		plan->session_values = session_values_begin(plan->query, plan->params);
	return session_values_take(expr, &plan->session_values, &plan->items);
}

/* Quals by which existing rows are filtered for a command. */
static List *
row_quals(EnforceContext *context, Query *query, int rtindex, int command)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	List	   *quals = NIL;
	ListCell   *lc;

	foreach(lc, governance_of(rte->relid)->sets)
	{
		const PolicySet *set = lfirst(lc);
		PredicateResult result;

		if (BROKEN("row-predicates") ||
			(set->attrmap != NULL && BROKEN("partition-rows")))
			continue;
		predicate_build(set, command, PREDICATE_ROWS, context->subject, context->plan->session,
						is_checked_at_start(context, command), &result);
		if (command == COMMAND_SELECT)
			lift_by_glass(context, rte->relid, &result);
		result.expr = take_session_values(context, result.expr);
		ChangeVarNodes((Node *) result.expr, 1, rtindex, 0);
		query->hasSubLinks |= checkExprHasSubLink((Node *) result.expr);
		note_result(context, set, command, &result);
		context->trace |= command;
		if (!set->observe && !is_const_true((Node *) result.expr))
			context->trace |= TRACE_FILTERED;
		quals = lappend(quals, result.expr);
	}
	return quals;
}

/*
 * Checks on rows that are about to be written (or, for ON CONFLICT and MERGE,
 * changed), raising what is not allowed.
 */
static List *
row_checks(EnforceContext *context, Query *query, int rtindex, int command,
		   PredicateUse use, WCOKind kind)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	List	   *checks = NIL;
	ListCell   *lc;

	foreach(lc, governance_of(rte->relid)->sets)
	{
		const PolicySet *set = lfirst(lc);
		PredicateResult result;
		WithCheckOption *check = makeNode(WithCheckOption);

		predicate_build(set, command, use, context->subject, context->plan->session,
						is_checked_at_start(context, command), &result);
		if (command == COMMAND_SELECT)
			lift_by_glass(context, rte->relid, &result);
		check->kind = kind;
		check->relname = get_rel_name(rte->relid);
		result.expr = take_session_values(context, result.expr);
		check->qual = (Node *) refuse_unless(result.expr, rte->relid, command);
		ChangeVarNodes(check->qual, 1, rtindex, 0);
		query->hasSubLinks |= checkExprHasSubLink(check->qual);
		note_result(context, set, command, &result);
		checks = lappend(checks, check);

		/*
		 * The executor asks the checks of row security only for tables that
		 * are its own; foreign ones it asks those of views.
		 */
		if (governance_of(rte->relid)->has_foreign &&
			(kind == WCO_RLS_INSERT_CHECK || kind == WCO_RLS_UPDATE_CHECK))
		{
			check = copyObject(check);
			check->kind = WCO_VIEW_CHECK;
			checks = lappend(checks, check);
		}
	}
	return checks;
}

/* The qual of policy_ensure_net(): with the library it is true. */
static bool
is_net(Node *node)
{
	return node != NULL && IsA(node, FuncExpr) && ((FuncExpr *) node)->args == NIL &&
		((FuncExpr *) node)->funcid == steward_function("library_enforces", 0, NULL);
}

/*
 * Removes what core made of the permissive TRUE that access_row_security()
 * gave it.
 */
static List *
without_true_quals(List *quals)
{
	List	   *rest = NIL;
	ListCell   *lc;

	foreach(lc, quals)
	{
		if (!is_const_true(lfirst(lc)) && !is_net(lfirst(lc)))
			rest = lappend(rest, lfirst(lc));
	}
	return rest;
}

static List *
without_true_checks(List *checks)
{
	List	   *rest = NIL;
	ListCell   *lc;

	foreach(lc, checks)
	{
		if (!is_const_true(lfirst_node(WithCheckOption, lc)->qual) &&
			!is_net(lfirst_node(WithCheckOption, lc)->qual))
			rest = lappend(rest, lfirst(lc));
	}
	return rest;
}

/* Checks of an INSERT, with those of ON CONFLICT DO UPDATE. */
static List *
insert_checks(EnforceContext *context, Query *query, int rtindex, AclMode perms)
{
	List	   *checks;

#define CHECK(command, use, kind) \
	row_checks(context, query, rtindex, command, use, kind)

	checks = CHECK(COMMAND_INSERT, PREDICATE_NEW_ROWS, WCO_RLS_INSERT_CHECK);
	if (perms & ACL_SELECT)
		checks = list_concat(checks, CHECK(COMMAND_SELECT, PREDICATE_ROWS, WCO_RLS_INSERT_CHECK));
	if (query->onConflict != NULL && query->onConflict->action == ONCONFLICT_UPDATE)
	{
		checks = list_concat(checks, CHECK(COMMAND_UPDATE, PREDICATE_ROWS, WCO_RLS_CONFLICT_CHECK));
		checks = list_concat(checks, CHECK(COMMAND_UPDATE, PREDICATE_NEW_ROWS, WCO_RLS_UPDATE_CHECK));
		if (perms & ACL_SELECT)
		{
			checks = list_concat(checks, CHECK(COMMAND_SELECT, PREDICATE_ROWS, WCO_RLS_CONFLICT_CHECK));
			checks = list_concat(checks, CHECK(COMMAND_SELECT, PREDICATE_ROWS, WCO_RLS_UPDATE_CHECK));
		}
	}
	return checks;
}

static List *
update_checks(EnforceContext *context, Query *query, int rtindex, AclMode perms)
{
	List	   *checks = CHECK(COMMAND_UPDATE, PREDICATE_NEW_ROWS, WCO_RLS_UPDATE_CHECK);

	if (perms & ACL_SELECT)
		checks = list_concat(checks, CHECK(COMMAND_SELECT, PREDICATE_ROWS, WCO_RLS_UPDATE_CHECK));
	return checks;
}

/* Checks of a MERGE: only those of the actions that it has. */
static List *
merge_checks(EnforceContext *context, Query *query, int rtindex, AclMode perms)
{
	List	   *checks = NIL;
	bool		inserts = false;
	bool		updates = false;
	bool		deletes = false;
	ListCell   *lc;

	foreach(lc, query->mergeActionList)
	{
		MergeAction *action = lfirst_node(MergeAction, lc);

		inserts |= action->commandType == CMD_INSERT;
		updates |= action->commandType == CMD_UPDATE;
		deletes |= action->commandType == CMD_DELETE;
	}
	if (updates)
	{
		checks = list_concat(checks, CHECK(COMMAND_UPDATE, PREDICATE_ROWS, WCO_RLS_MERGE_UPDATE_CHECK));
		checks = list_concat(checks, update_checks(context, query, rtindex, perms));
	}
	if (deletes)
		checks = list_concat(checks, CHECK(COMMAND_DELETE, PREDICATE_ROWS, WCO_RLS_MERGE_DELETE_CHECK));
	if (inserts)
	{
		checks = list_concat(checks, CHECK(COMMAND_INSERT, PREDICATE_NEW_ROWS, WCO_RLS_INSERT_CHECK));
		if ((perms & ACL_SELECT) && query->returningList != NIL)
			checks = list_concat(checks, CHECK(COMMAND_SELECT, PREDICATE_ROWS, WCO_RLS_INSERT_CHECK));
	}
	return checks;

#undef CHECK
}

/* Notes whom what follows concerns. */
static void
note_subject(EnforceContext *context)
{
	if (context->subject == context->plan->traced)
		return;
	add_item(context->plan, ITEM_TRACE_SUBJECT, context->subject);
	context->plan->traced = context->subject;
}

/* Notes for the access log what is done to the relation, and to which columns. */
static void
note_access(EnforceContext *context, Query *query, int rtindex)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	const Governance *governance = governance_of(rte->relid);
	Bitmapset  *columns = steward_used_columns(query, rte);
	bool		is_target = rtindex == query->resultRelation;
	bool		observed = true;
	int			access = ACCESS_LEVEL(governance->audit);
	int			word = 0;
	uint32		bits = 0;
	int			column = -1;
	ListCell   *lc;

	if (governance->audit == AUDIT_LEVEL_OFF)
		return;
	foreach(lc, governance->sets)
		observed &= ((PolicySet *) lfirst(lc))->observe;
	access |= is_target ? query->commandType : CMD_SELECT;
	if (steward_bypasses(context->subject))
		access |= ACCESS_BYPASSES;
	else if (observed)
		access |= ACCESS_OBSERVED;
	if (is_target && query->canSetTag)
		access |= ACCESS_COUNTED;
	if (is_target && query->returningList != NIL)
		access |= ACCESS_RETURNING;
	if (governance->has_entities)
		access |= governance->entity > 0 ? ACCESS_TELLS_ENTITIES : ACCESS_ANY_ENTITY;
	context->plan->naccesses++;
	note_subject(context);
	add_item(context->plan, ITEM_ACCESS - access, rte->relid);

	while ((column = bms_next_member(columns, column)) >= 0)
	{
		int			attno = column + FirstLowInvalidHeapAttributeNumber;

		if (attno < 0)
			continue;
		if (attno / 32 != word && bits != 0)
		{
			add_item(context->plan, ITEM_COLUMNS - word, bits);
			bits = 0;
		}
		word = attno / 32;
		bits |= (uint32) 1 << (attno % 32);
	}
	if (bits != 0)
		add_item(context->plan, ITEM_COLUMNS - word, bits);
}

/* Notes for last_access() what is done to the relation. */
static void
note_trace(EnforceContext *context, Query *query, RangeTblEntry *rte, bool masks)
{
	AccessPlan *plan = context->plan;
	Bitmapset  *columns = masks ? steward_selected_columns(query, rte) : NULL;
	bool		whole_row = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns);

	note_subject(context);
	add_item(plan, ITEM_TRACE - context->trace, rte->relid);
	for (AttrNumber attno = 1; columns != NULL && attno <= list_length(rte->eref->colnames); attno++)
	{
		if ((whole_row || bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, columns)) &&
			mask_may_apply(rte->relid, attno, context->subject))
			add_item(plan, ITEM_TRACE_MASKED - attno, rte->relid);
	}
}

/*
 * Core asks the WHERE of DO UPDATE before it checks that the row in conflict
 * may be seen; here the checks, which raise, are asked first.
 */
static void
guard_conflict_where(Query *query, List *checks)
{
	CaseExpr   *cases;
	CaseWhen   *when;
	List	   *quals = NIL;
	ListCell   *lc;

	if (query->onConflict == NULL || query->onConflict->onConflictWhere == NULL)
		return;
	foreach(lc, checks)
	{
		WithCheckOption *check = lfirst_node(WithCheckOption, lc);

		if (check->kind == WCO_RLS_CONFLICT_CHECK)
			quals = lappend(quals, copyObject(check->qual));
	}
	if (quals == NIL)
		return;
	when = makeNode(CaseWhen);
	when->expr = list_length(quals) == 1 ? linitial(quals) : makeBoolExpr(AND_EXPR, quals, -1);
	when->result = (Expr *) query->onConflict->onConflictWhere;
	when->location = -1;
	cases = makeNode(CaseExpr);
	cases->casetype = BOOLOID;
	cases->args = list_make1(when);
	cases->defresult = (Expr *) makeBoolConst(false, false);
	cases->location = -1;
	query->onConflict->onConflictWhere = (Node *) cases;
}

/* Gives one governed relation of a query its predicates and masks. */
static void
enforce_policies(EnforceContext *context, Query *query, int rtindex)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	bool		is_target = rtindex == query->resultRelation;
	AclMode		perms = steward_required_perms(query, rte);
	bool		masks;
	List	   *quals = NIL;
	List	   *checks = NIL;

	context->plan->governed = true;
	query->hasRowSecurity = true;	/* plans depend on the current role, too */
	if (!has_item(context->plan->items, ITEM_SEEN, rte->relid))
		add_item(context->plan, ITEM_SEEN, rte->relid);

	rte->securityQuals = without_true_quals(rte->securityQuals);
	if (is_target)
		query->withCheckOptions = without_true_checks(query->withCheckOptions);

	context->trace = 0;
	if (steward_bypasses(context->subject) || guard_is_suspended())
	{
		note_trace(context, query, rte, false);
		return;
	}
	if (rte->securityQuals != NIL)
		context->trace = TRACE_FILTERED | TRACE_NATIVE;

	switch (is_target ? query->commandType : CMD_SELECT)
	{
		case CMD_SELECT:
			if (perms & ACL_UPDATE)
				quals = row_quals(context, query, rtindex, COMMAND_UPDATE);
			quals = list_concat(quals, row_quals(context, query, rtindex, COMMAND_SELECT));
			break;
		case CMD_INSERT:
			checks = insert_checks(context, query, rtindex, perms);
			break;
		case CMD_UPDATE:
			quals = row_quals(context, query, rtindex, COMMAND_UPDATE);
			if (perms & ACL_SELECT)
				quals = list_concat(quals, row_quals(context, query, rtindex, COMMAND_SELECT));
			checks = update_checks(context, query, rtindex, perms);
			break;
		case CMD_DELETE:
			quals = row_quals(context, query, rtindex, COMMAND_DELETE);
			if (perms & ACL_SELECT)
				quals = list_concat(quals, row_quals(context, query, rtindex, COMMAND_SELECT));
			break;
		case CMD_MERGE:
			quals = row_quals(context, query, rtindex, COMMAND_SELECT);
			checks = merge_checks(context, query, rtindex, perms);
			break;
		default:
			elog(ERROR, "unexpected command type %d on a governed relation",
				 (int) query->commandType);
	}

	/* Ours first: native policies may call leaky functions of the owner. */
	rte->securityQuals = list_concat(quals, rte->securityQuals);
	query->withCheckOptions = list_concat(checks, query->withCheckOptions);

	masks = mask_any(governance_of(rte->relid), context->subject);
	note_trace(context, query, rte, masks);
	if (masks)
	{
		List	   *relations = NIL;

		if (is_target)
			mask_target(query, context->subject, &relations);
		else
		{
			mask_table_entry(query, rtindex, context->subject, &relations);
			rte->subquery->targetList = take_session_values(context, rte->subquery->targetList);
		}
		note_relations(context->plan, relations);
	}

	/* After the masks: the checks see the real values. */
	if (is_target)
		guard_conflict_where(query, checks);
}

/* Gives one relation of a query what governs it. */
static void
enforce_relation(EnforceContext *context, Query *query, int rtindex)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	Oid			relid = rte->relid;
	int			ordinal = context->plan->naccesses;
	AttrNumber	entity;

	statistics_enforce(query, rtindex);
	if (rte->rtekind != RTE_RELATION ||
		(rte->relkind != RELKIND_RELATION &&
		 rte->relkind != RELKIND_PARTITIONED_TABLE &&
		 rte->relkind != RELKIND_FOREIGN_TABLE) ||
		!access_is_governed(relid))
		return;
	entity = guard_is_suspended() || governance_of(relid)->audit == AUDIT_LEVEL_OFF ? 0 : governance_of(relid)->entity;
	if (!guard_is_suspended())
		note_access(context, query, rtindex);
	enforce_policies(context, query, rtindex);
	if (entity > 0 && !BROKEN("entities"))
		entity_enforce(query, rtindex, relid, entity, ordinal);
}

/* ------------------------------------------------------------------------
 * A whole query
 * ------------------------------------------------------------------------
 */

/*
 * Inlines an SQL function in FROM, as the planner would in
 * preprocess_function_rtes(), so that what it reads is seen here.
 */
static void
inline_function_rte(EnforceContext *context, RangeTblEntry *rte)
{
	PlannerInfo *root;
	Query	   *inlined;

	if (context->plan->glob == NULL)
	{
		context->plan->glob = makeNode(PlannerGlobal);
		context->plan->glob->boundParams = context->plan->params;
	}
	root = makeNode(PlannerInfo);
	root->glob = context->plan->glob;
	root->planner_cxt = CurrentMemoryContext;

	rte->functions = (List *) eval_const_expressions(root, (Node *) rte->functions);
	inlined = inline_set_returning_function(root, rte);
	if (inlined == NULL)
		return;
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = inlined;
	rte->security_barrier = false;
	rte->functions = NIL;
	rte->funcordinality = false;
}

/* Is it worth to try: does the entry call one SQL function returning a set? */
static bool
calls_sql_function(RangeTblEntry *rte)
{
	RangeTblFunction *function;
	HeapTuple	tup;
	bool		result;

	if (rte->rtekind != RTE_FUNCTION || list_length(rte->functions) != 1 ||
		rte->funcordinality)
		return false;
	function = linitial(rte->functions);
	if (!IsA(function->funcexpr, FuncExpr) || !((FuncExpr *) function->funcexpr)->funcretset ||
		((FuncExpr *) function->funcexpr)->funcid < FirstNormalObjectId)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(((FuncExpr *) function->funcexpr)->funcid));
	if (!HeapTupleIsValid(tup))
		return false;
	result = ((Form_pg_proc) GETSTRUCT(tup))->prolang == SQLlanguageId;
	ReleaseSysCache(tup);
	return result;
}

static void
enforce_query(Query *query, EnforceContext *context)
{
	ListCell   *lc;
	int			nentries = list_length(query->rtable);

	check_stack_depth();

	/* What stands below and beside first; predicates are not walked. */
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		Oid			saved = context->subject;
		Oid			owner;

		if (calls_sql_function(rte) && !BROKEN("inlined-functions"))
			inline_function_rte(context, rte);
		if (rte->rtekind == RTE_SUBQUERY &&
			trust_view(steward_view_of_subquery(rte), &owner))
			context->subject = owner;
		if (rte->rtekind == RTE_SUBQUERY || query->hasSubLinks)
			(void) range_table_entry_walker(rte, enforce_walker, context, 0);
		context->subject = saved;
	}
	if (query->hasSubLinks || query->cteList != NIL)
		(void) query_tree_walker(query, enforce_walker, context, QTW_IGNORE_RANGE_TABLE);

	for (int rtindex = 1; rtindex <= nentries; rtindex++)
		enforce_relation(context, query, rtindex);
}

static bool
enforce_walker(Node *node, EnforceContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		enforce_query((Query *) node, context);
		return false;
	}
	return expression_tree_walker(node, enforce_walker, context);
}

/*
 * Puts predicates into a query that is about to be planned.  Returns what
 * access_finish_plan() needs, or NULL where nothing is governed.
 */
AccessPlan *
access_prepare_query(Query *query, ParamListInfo params)
{
	EnforceContext context;
	AccessPlan *plan;

	/* SELECT 1 and the like read no relation. */
	if (!steward_is_created() ||
		(query->rtable == NIL && !query->hasSubLinks && query->cteList == NIL))
		return NULL;

	/*
	 * The relations may have been locked before in this transaction; hear of
	 * policies that were changed since.
	 */
	AcceptInvalidationMessages();
	if (!governance_any())
		return NULL;

	plan = palloc0(sizeof(AccessPlan));
	plan->query = query;
	plan->params = params;
	plan->subject = access_subject();
	plan->session = subject_session();
	plan->traced = plan->subject;
	if (is_foreign_key_check(query))
	{
		add_item(plan, ITEM_EXEMPT, InvalidOid);
		return plan;
	}
	context.plan = plan;
	context.subject = plan->subject;
	if ((query->commandType != CMD_SELECT || query->hasModifyingCTE) &&
		!steward_bypasses(plan->subject))
		mask_check_writes(query, plan->subject);
	enforce_query(query, &context);
	return plan;
}

/* Makes the plan remember whom it was made for. */
void
access_finish_plan(AccessPlan *access, PlannedStmt *plan)
{
	Oid			marker;
	RangeTblEntry *rte;
	PlanInvalItem *gate;

	last_planned = plan;
	if (access == NULL)
		return;
	if (access->glob != NULL)
		plan->invalItems = list_concat(plan->invalItems, access->glob->invalItems);
	if (!access->governed)
	{
		plan->invalItems = list_concat(plan->invalItems, access->items);
		return;
	}

	add_item(access, ITEM_SUBJECT, access->subject);
	add_item(access, ITEM_SESSION, access->session);
	plan->invalItems = list_concat(plan->invalItems, access->items);

	gate = makeNode(PlanInvalItem);
	gate->cacheId = PROCOID;
	gate->hashValue = plans_dependency();
	plan->invalItems = lappend(plan->invalItems, gate);

	marker = steward_table(TABLE_PROTECTED_RELATION);
	plan->relationOids = list_append_unique_oid(plan->relationOids, marker);
	rte = makeNode(RangeTblEntry);
	rte->rtekind = RTE_RELATION;
	rte->relid = marker;
	rte->relkind = RELKIND_RELATION;
	rte->rellockmode = AccessShareLock;
	rte->eref = makeAlias("protected_relation", NIL);
	rte->securityQuals = access->session_values;	/* see session_value.c */
	plan->rtable = lappend(plan->rtable, rte);
}

/* ------------------------------------------------------------------------
 * Before a plan runs
 * ------------------------------------------------------------------------
 */

/*
 * Lets the lock on our marker table forget that invalidations were read
 * under it: the next time plancache.c locks it, they are read again.
 */
static void
unclear_marker_lock(void)
{
	LOCKTAG		tag;
	LOCALLOCK  *locallock;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, steward_table(TABLE_PROTECTED_RELATION));
	(void) steward_lock_acquire(&tag, AccessShareLock, &locallock);
	locallock->lockCleared = false;
	LockRelease(&tag, AccessShareLock, false);
}

/* Was the plan made over governed relations? */
bool
plan_is_governed(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->invalItems)
	{
		if (lfirst_node(PlanInvalItem, lc)->cacheId == ITEM_SUBJECT)
			return true;
	}
	return false;
}

/* Refuses a plan that was made for somebody else. */
static void
check_made_for(Oid planned, Oid acting)
{
	if (planned == acting)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this statement was planned for role \"%s\", but role \"%s\" is acting now",
					GetUserNameFromId(planned, true), GetUserNameFromId(acting, true)),
			 errhint("Change the role in a statement of its own, outside of the function.")));
}

/*
 * Refuses where no allowing policy applies at this moment.  A plan made under
 * steward.on_no_policy = empty shows nothing by itself then.
 */
static void
check_admitted(Oid relid, int command, Oid subject, bool relied_on)
{
	ListCell   *lc;

	if (!relied_on && steward_on_no_policy != ON_NO_POLICY_ERROR)
		return;
	foreach(lc, governance_of(relid)->sets)
	{
		const PolicySet *set = lfirst(lc);

		if (set->relid == relid && (relied_on || !set->observe) &&
			!policy_set_admits(set, command, subject, subject_session()))
			refuse_no_policy(set, command, subject);
	}
}

static void
check_seen(PlannedStmt *plan, Oid relid)
{
	if (!OidIsValid(relid) ||
		has_item(plan->invalItems, ITEM_SEEN, relid) ||
		!access_is_governed(relid) ||
		BROKEN("inlined-functions") ||
		steward_bypasses(access_subject()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("governed table \"%s\" was reached by a plan made without its policies",
					get_rel_name(relid)),
			 errhint("Run the statement again; if it fails again, another extension plans it.")));
}

/* Notes for last_access() what the plan does to governed relations. */
static void
trace_access(PlannedStmt *plan)
{
	Oid			subject = access_subject();
	ListCell   *lc;

	last_access_begin(subject_session());
	foreach(lc, plan->invalItems)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		if (item->cacheId == ITEM_TRACE_SUBJECT)
			subject = item->hashValue;
		else if (item->cacheId <= ITEM_ACCESS)
			continue;
		else if (item->cacheId < ITEM_TRACE_MASKED)
			last_access_note(item->hashValue, subject, 0, ITEM_TRACE_MASKED - item->cacheId);
		else if (item->cacheId <= ITEM_TRACE)
			last_access_note(item->hashValue, subject, ITEM_TRACE - item->cacheId, 0);
	}
}

/*
 * Checks, before a plan runs, that it was made for the person who runs it,
 * that it knows of every governed relation, and that some policy lets it in
 * at this moment.
 */
void
access_executor_start(QueryDesc *queryDesc, int eflags)
{
	PlannedStmt *plan = queryDesc->plannedstmt;
	Oid			need_subject = InvalidOid;
	Oid			need_relation = InvalidOid;
	bool		exempt = false;
	bool		ours = false;
	ListCell   *lc;

	access_begin_statement();
	if (!steward_is_created())
		return;
	if (!governance_any())
	{
		session_values_start(queryDesc);	/* the plan may be older */
		return;
	}

	foreach(lc, plan->invalItems)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		if (likely(item->cacheId >= 0) || item->cacheId <= ITEM_TRACE)
			continue;
		switch (item->cacheId)
		{
			case ITEM_SUBJECT:
				ours = true;
				check_made_for(item->hashValue, access_subject());
				break;
			case ITEM_SESSION:
				check_made_for(item->hashValue, subject_session());
				break;
			case ITEM_EXEMPT:
				exempt = true;
				break;
			case ITEM_NEED_SUBJECT:
				need_subject = item->hashValue;
				break;
			case ITEM_NEED_RELATION:
				need_relation = item->hashValue;
				break;
			case ITEM_SEEN:
			case ITEM_TRACE_SUBJECT:
				break;
			default:
				if (item->cacheId <= ITEM_RELY)
					check_admitted(item->hashValue, ITEM_RELY - item->cacheId, need_subject, true);
				else if (!OidIsValid(need_relation) || !glass_is_broken(need_relation, need_subject))
					check_admitted(item->hashValue, ITEM_NEED - item->cacheId, need_subject, false);
				need_relation = InvalidOid;
				break;
		}
	}
	if (ours)
	{
		identity_require();
		if (plan != last_planned)
			unclear_marker_lock();
	}

	/* The plan that a parallel worker is given has left its items behind. */
	if (!exempt && !IsParallelWorker())
		steward_foreach_permission(plan, check_seen);
	if (ours && !IsParallelWorker() && (eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		trace_access(plan);
	if (ours || IsParallelWorker())
		session_values_start(queryDesc);
}
