/*-------------------------------------------------------------------------
 *
 * expression.c
 *	  Expressions of policies: parsed from text, checked, made ready for
 *	  plans.
 *
 * Parsing accepts one expression and nothing else, so that nothing can be
 * smuggled into the statement that carries it.  Checking admits functions of
 * pg_catalog that are not volatile, those of steward that are meant for
 * policies, and those that a superuser trusts.  Making ready moves what
 * depends on the session into sub-selects that run once an execution, and
 * has sub-selects read with the rights of the policy's creator.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parser.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ------------------------------------------------------------------------
 * Parsing
 * ------------------------------------------------------------------------
 */

/*
 * Turns an error position within the expression into one that clients show
 * with the expression, not with the statement that created the policy.
 */
static void
show_expression(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

/* Errors raised until the pop are shown in the expression. */
void
expression_context_push(ErrorContextCallback *callback, const char *text)
{
	callback->callback = show_expression;
	callback->arg = unconstify(char *, text);
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

void
expression_context_pop(ErrorContextCallback *callback)
{
	error_context_stack = callback->previous;
}

/*
 * Parses one expression; what tells in errors what it is.  The result is a
 * raw parse tree.
 */
Node *
expression_parse(const char *what, const char *text)
{
	ErrorContextCallback callback;
	List	   *trees;
	SelectStmt *stmt;
	ResTarget  *target;

	if (strlen(text) > MAX_EXPRESSION_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s is longer than %d bytes", what, MAX_EXPRESSION_LENGTH),
				 errhint("Put long lists into a table and read it with a sub-select.")));
	if (text[strspn(text, " \t\r\n\f\v")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s is empty", what),
				 errhint("Use true for a policy that concerns every row.")));

	expression_context_push(&callback, text);
	trees = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	expression_context_pop(&callback);

	stmt = list_length(trees) == 1 ? (SelectStmt *) linitial_node(RawStmt, trees)->stmt : NULL;
	if (stmt == NULL || !IsA(stmt, SelectStmt) || list_length(stmt->targetList) != 1 ||
		stmt->distinctClause != NIL || stmt->intoClause != NULL ||
		stmt->fromClause != NIL || stmt->whereClause != NULL ||
		stmt->groupClause != NIL || stmt->havingClause != NULL ||
		stmt->windowClause != NIL || stmt->valuesLists != NIL ||
		stmt->sortClause != NIL || stmt->limitOffset != NULL ||
		stmt->limitCount != NULL || stmt->lockingClause != NIL ||
		stmt->withClause != NULL || stmt->op != SETOP_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s is not a single expression", what)));
	target = linitial_node(ResTarget, stmt->targetList);
	if (target->name != NULL || target->indirection != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s is not a single expression", what),
				 errdetail("Nothing may follow the expression.")));

	/* Core expands a star while it reads a target list, and only there. */
	if (IsA(target->val, ColumnRef) &&
		IsA(llast(((ColumnRef *) target->val)->fields), A_Star))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s is not a single expression", what),
				 errdetail("A star stands for more than one column.")));
	return target->val;
}

/* ------------------------------------------------------------------------
 * Checking
 * ------------------------------------------------------------------------
 */

/* Functions of schema steward that may stand in policies. */
static const char *const session_functions[] = {"attr", "current_purpose", "subject"};

static bool
is_session_function(Oid funcid)
{
	bool		result = false;

	if (get_func_namespace(funcid) == steward_namespace())
	{
		char	   *name = get_func_name(funcid);

		for (int i = 0; i < lengthof(session_functions); i++)
			result |= strcmp(name, session_functions[i]) == 0;
		pfree(name);
	}
	return result;
}

/* Is the function one of those made to mask values, which policies may use? */
static bool
is_mask_function(Oid funcid)
{
	return get_func_namespace(funcid) == steward_namespace() &&
		strncmp(get_func_name(funcid), "mask_", 5) == 0;
}

/* What is wrong with an expression, and where in its text. */
typedef struct Refusal
{
	Oid			funcid;			/* the function that may not stand there */
	Oid			domain;			/* the domain that may not */
	const char *construct;		/* whatever else may not */
	List	   *views;			/* OIDs of the views that were looked into */
	int			depth;			/* of the node that is looked at */
	int			location;
} Refusal;

/* check_functions_in_node() callback: is this function one to be refused? */
static bool
refuse_function(Oid funcid, void *context)
{
	Oid			nsp = get_func_namespace(funcid);

	/* These are called stable, and run statements. */
	static const Oid run_statements[] = {
		F_TABLE_TO_XML, F_TABLE_TO_XML_AND_XMLSCHEMA,
		F_SCHEMA_TO_XML, F_SCHEMA_TO_XML_AND_XMLSCHEMA,
		F_DATABASE_TO_XML, F_DATABASE_TO_XML_AND_XMLSCHEMA
	};

	if (nsp == PG_CATALOG_NAMESPACE && func_volatile(funcid) != PROVOLATILE_VOLATILE)
	{
		bool		runs_statements = false;

		for (int i = 0; i < lengthof(run_statements); i++)
			runs_statements |= funcid == run_statements[i];
		if (!runs_statements)
			return false;
	}
	if (is_session_function(funcid) || is_mask_function(funcid) || trust_in_expressions(funcid))
		return false;
	((Refusal *) context)->funcid = funcid;
	return true;
}

/* Owner of a type. */
static Oid
type_owner(Oid typid)
{
	HeapTuple	tup = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	Oid			owner;

	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for type %u", typid);
	owner = ((Form_pg_type) GETSTRUCT(tup))->typowner;
	ReleaseSysCache(tup);
	return owner;
}

/*
 * Would making a value of the type run the constraints of a domain that
 * somebody other than a superuser owns?  Its owner could have them call what
 * he likes, also later.
 */
static bool
refuse_type(Oid typid, Refusal *refusal)
{
	bool		refused = false;

	check_stack_depth();
	if (typid < FirstNormalObjectId)
		return false;
	switch (get_typtype(typid))
	{
		case TYPTYPE_DOMAIN:
			if (superuser_arg(type_owner(typid)))
				return false;
			refusal->domain = typid;
			return true;
		case TYPTYPE_COMPOSITE:
			{
				TupleDesc	desc = lookup_rowtype_tupdesc(typid, -1);

				for (int i = 0; i < desc->natts && !refused; i++)
					refused = !TupleDescAttr(desc, i)->attisdropped &&
						refuse_type(TupleDescAttr(desc, i)->atttypid, refusal);
				ReleaseTupleDesc(desc);
				return refused;
			}
		case TYPTYPE_RANGE:
			return refuse_type(get_range_subtype(typid), refusal);
		case TYPTYPE_MULTIRANGE:
			return refuse_type(get_multirange_range(typid), refusal);
		default:
			return OidIsValid(get_element_type(typid)) &&
				refuse_type(get_element_type(typid), refusal);
	}
}

static bool
refuse_type_list(List *types, Refusal *refusal)
{
	ListCell   *lc;

	foreach(lc, types)
	{
		if (refuse_type(lfirst_oid(lc), refusal))
			return true;
	}
	return false;
}

static bool refuse_construct(Refusal *refusal, const char *construct);
static bool find_refused(Node *node, Refusal *refusal);
static bool find_refused_here(Node *node, Refusal *refusal);

/* What a sub-select may not read, or not in this way. */
static bool
refuse_entry(RangeTblEntry *rte, Refusal *refusal)
{
	ListCell   *lc;

	switch (rte->rtekind)
	{
		case RTE_RELATION:
			if (get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP)
				return refuse_construct(refusal, "a temporary table");
			if (rte->tablesample != NULL)
				return refuse_construct(refusal, "TABLESAMPLE");
			if (rte->relkind == RELKIND_VIEW && !list_member_oid(refusal->views, rte->relid))
			{
				Relation	view = table_open(rte->relid, AccessShareLock);
				bool		refused;

				/*
				 * Before 16, the rule of a view has entries of the view
				 * itself.
				 */
				refusal->views = lappend_oid(refusal->views, rte->relid);
				refused = find_refused((Node *) get_view_query(view), refusal);
				table_close(view, AccessShareLock);
				refusal->location = -1;
				return refused;
			}
			return false;
		case RTE_FUNCTION:
			foreach(lc, rte->functions)
			{
				if (refuse_type_list(((RangeTblFunction *) lfirst(lc))->funccoltypes, refusal))
					return true;
			}
			return false;
		case RTE_TABLEFUNC:
			return refuse_type_list(rte->tablefunc->coltypes, refusal);
		default:
			return false;
	}
}

static bool
refuse_construct(Refusal *refusal, const char *construct)
{
	refusal->construct = construct;
	return true;
}

/*
 * Finds what may not stand in a policy, also in the views that it reads.
 *
 * Nesting is bounded: what is parsed with the whole stack at hand could later
 * not be read, and a relation whose policies cannot be read cannot even be
 * dropped.
 */
static bool
find_refused(Node *node, Refusal *refusal)
{
	bool		refused;

	if (node == NULL)
		return false;
	check_stack_depth();
	if (++refusal->depth > MAX_EXPRESSION_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("expression of a policy is nested deeper than %d levels", MAX_EXPRESSION_DEPTH),
				 errhint("Put long lists into a table and read it with a sub-select.")));
	refused = find_refused_here(node, refusal);
	refusal->depth--;
	return refused;
}

/* The same for one node; find_refused() is for what stands below. */
static bool
find_refused_here(Node *node, Refusal *refusal)
{
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		if (query->rowMarks != NIL)
			return refuse_construct(refusal, "FOR UPDATE or FOR SHARE");
		foreach(lc, query->rtable)
		{
			if (refuse_entry(lfirst_node(RangeTblEntry, lc), refusal))
				return true;
		}
		return query_tree_walker(query, find_refused, refusal, 0);
	}

	refusal->location = exprLocation(node);
	if (check_functions_in_node(node, refuse_function, refusal))
		return true;
	switch (nodeTag(node))
	{
		case T_NextValueExpr:
			return refuse_construct(refusal, "a sequence");
		case T_CoerceViaIO:

			/*
			 * Where these types cannot read a value, the context of the error
			 * quotes it, which nobody can take back.
			 */
			if (!IsA(((CoerceViaIO *) node)->arg, Const) &&
				(exprType(node) == JSONOID || exprType(node) == JSONBOID || exprType(node) == XMLOID))
				return refuse_construct(refusal, "a cast of text to json, jsonb or xml");
			if (refuse_type(exprType(node), refusal))
				return true;
			break;
		case T_FuncExpr:
		case T_CoerceToDomain:
			if (refuse_type(exprType(node), refusal))
				return true;
			break;
		default:
			break;
	}
	return expression_tree_walker(node, find_refused, refusal);
}

/* A sub-select must read what its creator may read, and no more. */
static bool
check_readable(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		steward_check_query_permissions((Query *) node);
		return query_tree_walker((Query *) node, check_readable, context, 0);
	}
	return expression_tree_walker(node, check_readable, context);
}

/* Raises the refusal of an expression, with the position in its text. */
static void
raise_refusal(const Refusal *refusal, const char *text)
{
	int			position = refusal->location < 0 || text == NULL ? 0 :
	pg_mbstrlen_with_len(text, Min(refusal->location, (int) strlen(text))) + 1;
	char	   *signature;

	if (refusal->construct != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s may not be used in a policy", refusal->construct),
				 errposition(position)));
	if (OidIsValid(refusal->domain))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("domain %s may not be used in a policy", format_type_be_qualified(refusal->domain)),
				 errdetail("The owner of a domain decides which functions its constraints call."),
				 errhint("Cast to the type under the domain, or let a superuser own the domain."),
				 errposition(position)));
	signature = format_procedure_qualified(refusal->funcid);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("function %s may not be used in a policy", signature),
			 errdetail("Policies use functions of pg_catalog that are not volatile and run no statements, steward.attr(), steward.current_purpose() and steward.subject(), and functions that a superuser owns and trusts."),
			 refusal->funcid >= FirstNormalObjectId &&
			 get_func_namespace(refusal->funcid) != steward_namespace() ?
			 errhint("A superuser takes it over and allows it with: SELECT steward.trust('%s', 'reason')", signature) : 0,
			 errposition(position)));
}

/*
 * Refuses an expression of a policy that uses what it must not: functions of
 * others, volatile ones, tables that its creator may not read.  Errors are
 * shown in the text.
 */
void
expression_check(Node *expr, const char *text, Oid creator)
{
	ErrorContextCallback callback;
	Refusal		refusal = {InvalidOid, InvalidOid, NULL, NIL, 0, -1};

	if (expr == NULL)
		return;
	expression_context_push(&callback, text);
	if (find_refused(expr, &refusal))
		raise_refusal(&refusal, text);
	if (checkExprHasSubLink(expr))
	{
		expr = copyObject(expr);
		setRuleCheckAsUser(expr, creator);
		(void) check_readable(expr, NULL);
	}
	expression_context_pop(&callback);
}

/* ------------------------------------------------------------------------
 * Conversions
 * ------------------------------------------------------------------------
 */

/*
 * Functions that are not leakproof, and all the same quote no value that they
 * are given in an error; the latter where their first argument is a constant.
 */
static const char *const quiet_functions[] = {
	"abs", "bpchar", "btrim", "ceil", "char_length", "coalesce", "concat", "concat_ws", "floor",
	"initcap", "left", "length", "lower", "lpad", "ltrim", "md5", "octet_length", "replace",
	"reverse", "right", "round", "rpad", "rtrim", "sha256", "split_part", "starts_with", "strpos",
	"substr", "substring", "translate", "trunc", "upper", "varchar"
};
static const char *const quiet_after_constant[] = {"date_part", "date_trunc", "extract", "timezone"};

static bool
is_one_of(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool
is_string_category(Oid type)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	return category == TYPCATEGORY_STRING;
}

/* May an error of the call quote one of its arguments? */
static bool
may_quote(FuncExpr *call)
{
	char	   *name;

	if (call->args == NIL || get_func_leakproof(call->funcid) ||
		is_session_function(call->funcid) || is_mask_function(call->funcid))
		return false;
	if ((call->funcformat == COERCE_IMPLICIT_CAST || call->funcformat == COERCE_EXPLICIT_CAST) &&
		!is_string_category(exprType(linitial(call->args))))
		return false;
	if (get_func_namespace(call->funcid) != PG_CATALOG_NAMESPACE)
		return true;
	name = get_func_name(call->funcid);
	return !is_one_of(name, quiet_functions, lengthof(quiet_functions)) &&
		!(is_one_of(name, quiet_after_constant, lengthof(quiet_after_constant)) &&
		  IsA(linitial(call->args), Const));
}

static bool
converts_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, converts_walker, context, 0);
	if (IsA(node, CoerceViaIO))
	{
		/* Writing a value as text raises nothing; reading does. */
		CoerceViaIO *coerce = (CoerceViaIO *) node;

		if (!IsA(coerce->arg, Const) && !is_string_category(coerce->resulttype))
			return true;
	}
	else if (IsA(node, FuncExpr) && may_quote((FuncExpr *) node))
		return true;
	return expression_tree_walker(node, converts_walker, context);
}

/*
 * May an error that the expression raises quote a value that it works on?
 * See detail.c.
 */
bool
expression_converts(Node *expr)
{
	return converts_walker(expr, NULL);
}

/* ------------------------------------------------------------------------
 * Making ready for plans
 * ------------------------------------------------------------------------
 */

/* The parser never sets SubLink.subLinkId of a sub-select in an expression. */
#define ONCE_PER_EXECUTION	(-1)

/*
 * (SELECT expr): an InitPlan, since expr has no Vars, or less where a query
 * takes it as a value of its session (session_value.c).
 */
Expr *
once_per_execution(Expr *expr)
{
	Query	   *query = makeNode(Query);
	SubLink    *sublink = makeNode(SubLink);

	query->commandType = CMD_SELECT;
	query->querySource = QSRC_ORIGINAL;
	query->canSetTag = true;
	query->jointree = makeFromExpr(NIL, NULL);
	query->targetList = list_make1(makeTargetEntry(expr, 1, pstrdup("once"), false));
	query->hasSubLinks = checkExprHasSubLink((Node *) expr);

	sublink->subLinkType = EXPR_SUBLINK;
	sublink->subLinkId = ONCE_PER_EXECUTION;
	sublink->subselect = (Node *) query;
	sublink->location = -1;
	return (Expr *) sublink;
}

/* Was the sub-select made by once_per_execution()? */
bool
is_once_per_execution(const SubLink *sublink)
{
	return sublink->subLinkType == EXPR_SUBLINK && sublink->subLinkId == ONCE_PER_EXECUTION;
}

/*
 * mask_hash() of a constant is moved like a session function: the planner,
 * which asks for the values of stable functions, would lose its mark.
 */
typedef struct SessionContext
{
	bool		calls_session;	/* a session function was seen */
	bool		unfit;			/* depends on a row, or may not be moved */
} SessionContext;

static bool
session_function_checker(Oid funcid, void *context)
{
	if (is_session_function(funcid) || is_mask_hash_function(funcid))
		((SessionContext *) context)->calls_session = true;
	return false;
}

/* Looks whether an expression depends on the session and on nothing else. */
static bool
session_walker(Node *node, SessionContext *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Param:
		case T_SubLink:
		case T_SubPlan:
		case T_Query:
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_CaseTestExpr:
		case T_CoerceToDomainValue:
		case T_SetToDefault:
		case T_CurrentOfExpr:
		case T_NextValueExpr:
			context->unfit = true;
			return true;
		case T_ArrayCoerceExpr:
			/* Its elemexpr has a CaseTestExpr of its own. */
			return session_walker((Node *) ((ArrayCoerceExpr *) node)->arg, context);
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcretset)
			{
				context->unfit = true;
				return true;
			}
			break;
		default:
			break;
	}
	(void) check_functions_in_node(node, session_function_checker, context);
	return expression_tree_walker(node, session_walker, context);
}

/* Only whole scalar expressions can become sub-selects. */
static bool
is_scalar_expression(Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_SubscriptingRef:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_CoerceToDomain:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_CaseExpr:
		case T_ArrayExpr:
			return true;
		default:
			return false;
	}
}

static bool
depends_on_session_only(Node *node)
{
	SessionContext context = {false, false};

	if (!is_scalar_expression(node))
		return false;
	(void) session_walker(node, &context);
	return context.calls_session && !context.unfit && !contain_volatile_functions(node);
}

/*
 * Moves the largest parts that depend on the session alone into sub-selects.
 * Sub-queries on the way are told that they have sub-selects now.
 */
static Node *
move_session_parts(Node *node, bool *moved)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
	{
		bool		inside = false;
		Query	   *query = query_tree_mutator((Query *) node, move_session_parts, &inside, 0);

		query->hasSubLinks |= inside;
		return (Node *) query;
	}
	if (depends_on_session_only(node))
	{
		*moved = true;
		return (Node *) once_per_execution((Expr *) copyObject(node));
	}
	return expression_tree_mutator(node, move_session_parts, moved);
}

typedef struct RewriteContext
{
	List	  **relations;
} RewriteContext;

/* Collects the relations that a rewritten sub-select reads. */
static bool
collect_relations(Node *node, RewriteContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

			/* since 16, an expanded view is a sub-select that keeps its relid */
			if (rte->rtekind == RTE_RELATION ||
				(rte->rtekind == RTE_SUBQUERY && OidIsValid(rte->relid)))
				*context->relations = list_append_unique_oid(*context->relations, rte->relid);
		}
		return query_tree_walker(query, collect_relations, context, 0);
	}
	return expression_tree_walker(node, collect_relations, context);
}

/*
 * Rewrites the sub-selects of an expression: views are expanded, as core
 * does for native policies when it rewrites the statement.
 */
static bool
rewrite_sublinks(Node *node, RewriteContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
	{
		SubLink    *sublink = (SubLink *) node;
		Query	   *query = castNode(Query, sublink->subselect);
		List	   *rewritten;

		AcquireRewriteLocks(query, true, false);
		query->canSetTag = true;
		rewritten = QueryRewrite(query);
		if (list_length(rewritten) != 1)
			elog(ERROR, "unexpected rewrite result of a sub-select in a policy");
		sublink->subselect = linitial(rewritten);
		(void) collect_relations(sublink->subselect, context);

		/* QueryRewrite() has seen to the sub-selects inside. */
		return rewrite_sublinks(sublink->testexpr, context);
	}
	return expression_tree_walker(node, rewrite_sublinks, context);
}

/*
 * A copy of the expression, ready to be put into a query.  Relations that its
 * sub-selects read are added to *relations.
 */
Expr *
expression_for_plans(Expr *expr, Oid creator, List **relations)
{
	RewriteContext context = {relations};
	Refusal		refusal = {InvalidOid, InvalidOid, NULL, NIL, 0, -1};
	Node	   *result;
	bool		moved = false;

	if (expr == NULL)
		return NULL;
	result = copyObject((Node *) expr);
	mask_hash_admit(result);
	if (checkExprHasSubLink(result))
	{
		if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(creator)))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("the role that wrote a policy with a sub-select was dropped"),
					 errdetail("The sub-select reads with the rights of that role."),
					 errhint("An administrator creates the policy again, with replace => true.")));
		setRuleCheckAsUser(result, creator);

		/* A SubLink at the top must have a parent that can be walked. */
		result = (Node *) list_make1(result);
		(void) rewrite_sublinks(result, &context);
		result = linitial((List *) result);

		/*
		 * Functions in views and in native policies run with the rights of
		 * the person who asks, and their owner may have changed them since
		 * the policy was written.
		 */
		if (find_refused(result, &refusal))
		{
			refusal.location = -1;
			raise_refusal(&refusal, NULL);
		}
	}
	return (Expr *) move_session_parts(result, &moved);
}

/* ------------------------------------------------------------------------
 * Fixing the subject
 * ------------------------------------------------------------------------
 */

/*
 * Below a trusted view or function its owner is the subject, whoever runs the
 * plan and in whichever process: what depends on him is fixed in the plan.
 */
static Node *
fix_subject(Node *node, Oid *subject)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, fix_subject, subject, 0);
	if (IsA(node, FuncExpr) && is_session_function(((FuncExpr *) node)->funcid))
	{
		FuncExpr   *call = (FuncExpr *) node;
		char	   *name = get_func_name(call->funcid);
		Oid			type = OIDOID;
		Node	   *value;

		if (strcmp(name, "current_purpose") == 0)
			return (Node *) makeFuncExpr(steward_function("current_purpose_of", 1, &type),
										 TEXTOID,
										 list_make1(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
															  ObjectIdGetDatum(*subject), false, true)),
										 call->funccollid, call->inputcollid,
										 COERCE_EXPLICIT_CALL);
		value = eval_const_expressions(NULL, copyObject(node));
		if (contain_var_clause(value) || checkExprHasSubLink(value))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a policy that asks for an attribute by the value of a column does not work through a trusted view or function")));
		subject_push(*subject);
		PG_TRY();
		{
			value = (Node *) evaluate_expr((Expr *) value, exprType(value), exprTypmod(value),
										   exprCollation(value));
		}
		PG_FINALLY();
		{
			subject_pop();
		}
		PG_END_TRY();
		return value;
	}
	return expression_tree_mutator(node, fix_subject, subject);
}

/* A copy of the expression in which the subject is fixed. */
Expr *
expression_for_subject(Expr *expr, Oid subject)
{
	return (Expr *) fix_subject((Node *) expr, &subject);
}
