/*-------------------------------------------------------------------------
 *
 * policy_code.c
 *	  Expressions of policies and masks as export_policies() writes them: one
 *	  text for one expression, however it was typed.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/mask.h"
#include "access/table.h"
#include "nodes/makefuncs.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/*
 * What PostgreSQL writes, parsed again, may be written otherwise (casts of
 * lists move into them); it settles at once in practice.
 */
#define MAX_ROUNDS	8

static char *
expression_in_sql(Node *expr, Relation rel)
{
	return deparse_expression(expr, deparse_context_for(RelationGetRelationName(rel),
														RelationGetRelid(rel)),
							  false, false);
}

/* Parses the text on the relation as create_native_policy() has it parsed. */
static char *
written_anew(const char *text, Relation rel, Form_pg_attribute att)
{
	ErrorContextCallback callback;
	const char *what = att == NULL ? "expression" : "mask_expr";
	Node	   *raw = expression_parse(what, text);
	ParseState *pstate = policy_parse_state(rel, text);
	Node	   *expr;

	expression_context_push(&callback, text);
	if (att == NULL)
		expr = transformWhereClause(pstate, raw, EXPR_KIND_POLICY, "POLICY");
	else
	{
		TypeCast   *cast = makeNode(TypeCast);

		cast->arg = raw;
		cast->typeName = makeTypeNameFromOid(att->atttypid, att->atttypmod);
		cast->location = -1;
		expr = transformExpr(pstate, (Node *) cast, EXPR_KIND_POLICY);
	}
	assign_expr_collations(pstate, expr);
	expression_context_pop(&callback);
	free_parsestate(pstate);
	return expression_in_sql(expr, rel);
}

STEWARD_FUNCTION(steward_canonical_expression);

/*
 * canonical_expression(relation, attnum, expression): the expression as
 * PostgreSQL writes it under the current search_path, of a mask on a column
 * or (attnum 0) of a row policy or a condition.
 */
Datum
steward_canonical_expression(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	AttrNumber	attno = PG_GETARG_INT16(1);
	char	   *written = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Form_pg_attribute att = NULL;

	if (attno < 0 || attno > RelationGetNumberOfAttributes(rel))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column number %d of table \"%s\" does not exist",
						attno, RelationGetRelationName(rel))));
	if (attno > 0)
		att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	for (int i = 0; i < MAX_ROUNDS; i++)
	{
		char	   *before = written;

		written = written_anew(before, rel, att);
		/* what is too long to be parsed again stays as it is */
		if (strcmp(before, written) == 0 || strlen(written) > MAX_EXPRESSION_LENGTH)
			break;
	}
	table_close(rel, AccessShareLock);
	PG_RETURN_TEXT_P(cstring_to_text(written));
}

STEWARD_FUNCTION(steward_carried_mask);

/* carried_mask(relation, mask): the mask that its native policy carries, or NULL. */
Datum
steward_carried_mask(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	char	   *name = mask_carrier_name(NameStr(*PG_GETARG_NAME(1)));
	char	   *result = NULL;
	ListCell   *lc;

	foreach(lc, rel->rd_rsdesc == NULL ? NIL : rel->rd_rsdesc->policies)
	{
		RowSecurityPolicy *native = lfirst(lc);
		Expr	   *mask;

		if (strcmp(native->policy_name, name) != 0 || !policy_is_carried(native))
			continue;
		mask = carried_mask(native->qual);
		if (mask != NULL)
			result = expression_in_sql((Node *) mask, rel);
	}
	table_close(rel, AccessShareLock);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(result));
}
