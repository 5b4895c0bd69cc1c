/*-------------------------------------------------------------------------
 *
 * mask.c
 *	  Column masks: read from their tables and carriers, and built into the
 *	  expression that stands in place of a column.
 *
 * A mask on a column is carried, like a row policy, by a native policy TO
 * steward_carrier: its USING is ROW(mask, column) IS NOT NULL, from which the
 * mask is taken, and its WITH CHECK is the condition under which cells are
 * masked.  So core tracks what the mask uses, and dumps it.  A mask by tag is
 * kept as text, for it is parsed anew for each column that bears the tag.
 *
 * Where several masks meet in one column, the one with the lowest priority
 * whose condition holds for the cell (or is not known to fail) wins.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/break.h"
#include "access/genam.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/mask.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_seclabel.h"
#include "catalog/pg_type.h"
#include "commands/seclabel.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/scansup.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "rewrite/rowsecurity.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Columns of the tables read here, in the order of access_mask.sql. */
#define Anum_column_mask_relation		1
#define Anum_column_mask_name			2
#define Anum_column_mask_column			3
#define Anum_column_mask_priority		4
#define Anum_column_mask_purposes		5
#define Anum_column_mask_author_relation	1
#define Anum_column_mask_author_mask	2
#define Anum_column_mask_author_role	3
#define Anum_column_mask_role_relation	1
#define Anum_column_mask_role_mask		2
#define Anum_column_mask_role_role		3
#define Anum_tag_mask_name				1
#define Anum_tag_mask_tag				2
#define Anum_tag_mask_expr				3
#define Anum_tag_mask_priority			4
#define Anum_tag_mask_purposes			5
#define Anum_tag_mask_role_mask			1
#define Anum_tag_mask_role_role			2

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static void
add_role(ColumnMask *mask, Oid role)
{
	if (mask->unless_roles == NULL)
		mask->unless_roles = palloc(sizeof(Oid));
	else
		mask->unless_roles = repalloc(mask->unless_roles, (mask->nroles + 1) * sizeof(Oid));
	mask->unless_roles[mask->nroles++] = role;
}

/* The native policy that carries a mask. */
static RowSecurityPolicy *
find_carrier(Relation rel, const char *mask)
{
	char	   *name = mask_carrier_name(mask);
	ListCell   *lc;

	if (rel->rd_rsdesc == NULL)
		return NULL;
	foreach(lc, rel->rd_rsdesc->policies)
	{
		RowSecurityPolicy *native = lfirst(lc);

		if (strcmp(native->policy_name, name) == 0 && policy_is_carried(native))
			return native;
	}
	return NULL;
}

/* Name of the native policy that carries a mask. */
char *
mask_carrier_name(const char *mask)
{
	return psprintf(MASK_CARRIER_PREFIX "%s", mask);
}

/* The mask in ROW(mask, column) IS NOT NULL. */
Expr *
carried_mask(Expr *qual)
{
	NullTest   *test = (NullTest *) qual;

	if (qual == NULL || !IsA(test, NullTest) || !IsA(test->arg, RowExpr) ||
		list_length(((RowExpr *) test->arg)->args) != 2)
		return NULL;
	return linitial(((RowExpr *) test->arg)->args);
}

/* The number of the column in ROW(mask, column) IS NOT NULL. */
static AttrNumber
carried_column(Expr *qual)
{
	RowExpr    *row = (RowExpr *) ((NullTest *) qual)->arg;

	return lsecond_node(Var, row->args)->varattno;
}

static ArrayType *
read_purposes(HeapTuple tup, int attno, TupleDesc desc)
{
	bool		isnull;
	Datum		d = heap_getattr(tup, attno, desc, &isnull);

	return isnull ? NULL : DatumGetArrayTypePCopy(d);
}

/* Gives the masks the roles that wrote them. */
static void
read_authors(Oid relid, const Past *past, List *masks)
{
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;

	ScanKeyInit(&key, Anum_column_mask_author_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = facts_begin(past, TABLE_COLUMN_MASK_AUTHOR, 1, &key);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;
		char	   *name = NameStr(*DatumGetName(heap_getattr(tup, Anum_column_mask_author_mask, facts_desc(scan), &isnull)));
		ListCell   *lc;

		foreach(lc, masks)
		{
			ColumnMask *mask = lfirst(lc);

			if (strcmp(mask->name, name) == 0)
				mask->created_by = DatumGetObjectId(heap_getattr(tup, Anum_column_mask_author_role, facts_desc(scan), &isnull));
		}
	}
	facts_end(scan);
}

/* Reads the masks on single columns of a relation. */
/*
 * Gives the masks of a moment of the past their expressions.  One whose
 * expressions can no longer be parsed or used says why.
 */
static void
read_past_expressions(Relation rel, const Past *past, List *masks)
{
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, past_expressions(past, HISTORY_COLUMN_MASK, rel))
	{
		PastExpression *expression = lfirst(lc);

		foreach(lc2, masks)
		{
			ColumnMask *mask = lfirst(lc2);

			if (strcmp(mask->name, expression->name) != 0)
				continue;
			mask->text = expression->using_text;
			if (past_parse(past, rel, expression, &mask->expr, &mask->when, &mask->problem))
				mask->expr = carried_mask(mask->expr);
		}
	}
}

static List *
read_column_masks(Relation rel, const Past *past)
{
	List	   *masks = NIL;
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;
	bool		isnull;
	ListCell   *lc;

	ScanKeyInit(&key, Anum_column_mask_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = facts_begin(past, TABLE_COLUMN_MASK, 1, &key);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		ColumnMask *mask = palloc0(sizeof(ColumnMask));

		mask->name = pstrdup(NameStr(*DatumGetName(heap_getattr(tup, Anum_column_mask_name, facts_desc(scan), &isnull))));
		mask->attno = DatumGetInt16(heap_getattr(tup, Anum_column_mask_column, facts_desc(scan), &isnull));
		mask->priority = DatumGetInt32(heap_getattr(tup, Anum_column_mask_priority, facts_desc(scan), &isnull));
		mask->unless_purposes = read_purposes(tup, Anum_column_mask_purposes, facts_desc(scan));
		masks = lappend(masks, mask);
	}
	facts_end(scan);
	if (masks == NIL)
		return NIL;

	ScanKeyInit(&key, Anum_column_mask_role_relation, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = facts_begin(past, TABLE_COLUMN_MASK_ROLE, 1, &key);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		char	   *name = NameStr(*DatumGetName(heap_getattr(tup, Anum_column_mask_role_mask, facts_desc(scan), &isnull)));

		foreach(lc, masks)
		{
			if (strcmp(((ColumnMask *) lfirst(lc))->name, name) == 0)
				add_role(lfirst(lc), DatumGetObjectId(heap_getattr(tup, Anum_column_mask_role_role, facts_desc(scan), &isnull)));
		}
	}
	facts_end(scan);

	read_authors(RelationGetRelid(rel), past, masks);
	if (past != NULL)
	{
		read_past_expressions(rel, past, masks);
		return masks;
	}
	foreach(lc, masks)
	{
		ColumnMask *mask = lfirst(lc);
		RowSecurityPolicy *carrier = find_carrier(rel, mask->name);

		/* See mask_make_ready() for masks that have lost their carrier. */
		if (carrier == NULL)
			continue;
		mask->expr = copyObject(carried_mask(carrier->qual));
		mask->when = copyObject(carrier->with_check_qual);

		/* A restore numbers columns anew; the carrier has followed. */
		if (mask->expr != NULL)
			mask->attno = carried_column(carrier->qual);
	}
	return masks;
}

/* The tags of a column, as a list of strings; NIL: none. */
List *
mask_column_tags(Oid relid, AttrNumber attno)
{
	ObjectAddress column;
	char	   *label;

	ObjectAddressSubSet(column, RelationRelationId, relid, attno);
	label = GetSecurityLabel(&column, "steward");
	return label == NULL ? NIL : mask_split_tags(label);
}

/* Splits a label into its tags; raises where it is malformed. */
List *
mask_split_tags(const char *label)
{
	List	   *tags = NIL;
	char	   *copy = pstrdup(label);
	char	   *save = NULL;

	for (char *tag = strtok_r(copy, ",", &save); tag != NULL; tag = strtok_r(NULL, ",", &save))
	{
		char	   *end;

		while (scanner_isspace(*tag))
			tag++;
		end = tag + strlen(tag);
		while (end > tag && scanner_isspace(end[-1]))
			*--end = '\0';
		if (*tag == '\0' || strlen(tag) > MAX_TAG_LENGTH ||
			strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/") != strlen(tag))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not a list of tags", label),
					 errhint("Tags are separated by commas and made of letters, digits and -_.:/, at most %d bytes each.", MAX_TAG_LENGTH)));
		tags = lappend(tags, makeString(tag));
	}
	return tags;
}

/* In the expression of a mask by tag, "value" is the column. */
static Node *
resolve_value(ParseState *pstate, ColumnRef *cref)
{
	if (list_length(cref->fields) == 1 && IsA(linitial(cref->fields), String) &&
		strcmp(strVal(linitial(cref->fields)), "value") == 0)
		return copyObject((Node *) pstate->p_ref_hook_state);
	return NULL;
}

/*
 * Parses the expression of a mask by tag for one column, with errors shown in
 * the expression.  The result is of the column's type.
 */
Expr *
mask_parse_for_column(const char *text, AttrNumber attno, Oid type, int32 typmod, Oid collation)
{
	ErrorContextCallback callback;
	ParseState *pstate = make_parsestate(NULL);
	Node	   *raw = expression_parse("mask_expr", text);
	Node	   *expr;
	Node	   *coerced;
	int			nest_level = NewGUCNestLevel();

	/* It is parsed when the person asks: not by his search_path. */
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);

	pstate->p_sourcetext = text;

	pstate->p_ref_hook_state = makeVar(1, attno, type, typmod, collation, 0);
	pstate->p_pre_columnref_hook = resolve_value;

	expression_context_push(&callback, text);
	expr = transformExpr(pstate, raw, EXPR_KIND_POLICY);
	coerced = coerce_to_target_type(pstate, expr, exprType(expr), type, typmod,
									COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (coerced == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("mask is of type %s but the column is of type %s",
						format_type_be(exprType(expr)), format_type_be(type)),
				 errhint("Cast the mask, or tag columns of another type by another tag.")));
	assign_expr_collations(pstate, coerced);
	mask_hash_check(pstate, coerced, type, typmod);
	expression_context_pop(&callback);
	if (pstate->p_hasSubLinks)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a mask by tag cannot have sub-selects"),
				 errhint("Use steward.create_mask() on the column.")));
	free_parsestate(pstate);
	AtEOXact_GUC(true, nest_level);
	return (Expr *) coerced;
}

typedef struct TagMask
{
	ColumnMask	mask;
	char	   *tag;
	char	   *text;
} TagMask;

/* Reads all masks by tag. */
static List *
read_tag_masks(const Past *past)
{
	List	   *masks = NIL;
	FactScan   *scan;
	HeapTuple	tup;
	bool		isnull;
	ListCell   *lc;

	scan = facts_begin(past, TABLE_TAG_MASK, 0, NULL);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		TagMask    *tag_mask = palloc0(sizeof(TagMask));
		ColumnMask *mask = &tag_mask->mask;

		mask->name = pstrdup(NameStr(*DatumGetName(heap_getattr(tup, Anum_tag_mask_name, facts_desc(scan), &isnull))));
		tag_mask->tag = TextDatumGetCString(heap_getattr(tup, Anum_tag_mask_tag, facts_desc(scan), &isnull));
		tag_mask->text = TextDatumGetCString(heap_getattr(tup, Anum_tag_mask_expr, facts_desc(scan), &isnull));
		mask->priority = DatumGetInt32(heap_getattr(tup, Anum_tag_mask_priority, facts_desc(scan), &isnull));
		mask->unless_purposes = read_purposes(tup, Anum_tag_mask_purposes, facts_desc(scan));
		mask->by_tag = true;
		masks = lappend(masks, tag_mask);
	}
	facts_end(scan);
	if (masks == NIL)
		return NIL;

	scan = facts_begin(past, TABLE_TAG_MASK_ROLE, 0, NULL);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		char	   *name = NameStr(*DatumGetName(heap_getattr(tup, Anum_tag_mask_role_mask, facts_desc(scan), &isnull)));

		foreach(lc, masks)
		{
			if (strcmp(((TagMask *) lfirst(lc))->mask.name, name) == 0)
				add_role(lfirst(lc), DatumGetObjectId(heap_getattr(tup, Anum_tag_mask_role_role, facts_desc(scan), &isnull)));
		}
	}
	facts_end(scan);
	return masks;
}

/* Has any column of the relation a label of ours? */
static bool
has_labels(Oid relid)
{
	Relation	table = table_open(SecLabelRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key[0], Anum_pg_seclabel_objoid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_seclabel_classoid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	scan = systable_beginscan(table, SecLabelObjectIndexId, true, NULL, 2, key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return found;
}

static List *
read_masks_by_tag(Relation rel, const Past *past)
{
	List	   *tag_masks;
	List	   *masks = NIL;

	if ((past == NULL && !has_labels(RelationGetRelid(rel))) || (tag_masks = read_tag_masks(past)) == NIL)
		return NIL;
	for (AttrNumber attno = 1; attno <= RelationGetNumberOfAttributes(rel); attno++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
		List	   *tags = att->attisdropped ? NIL :
		past == NULL ? mask_column_tags(RelationGetRelid(rel), attno) :
		past_column_tags(past, RelationGetRelid(rel), attno);
		ListCell   *lc;

		if (tags == NIL)
			continue;
		foreach(lc, tag_masks)
		{
			TagMask    *tag_mask = lfirst(lc);
			ColumnMask *mask;

			if (!list_member(tags, makeString(tag_mask->tag)))
				continue;
			mask = palloc(sizeof(ColumnMask));
			*mask = tag_mask->mask;
			mask->attno = attno;
			mask->text = tag_mask->text;
			mask->tag = tag_mask->tag;
			masks = lappend(masks, mask);
		}
	}
	return masks;
}

/* By column, then by priority; masks on the column itself before those by tag. */
static int
compare_masks(const ListCell *a, const ListCell *b)
{
	const ColumnMask *x = lfirst(a);
	const ColumnMask *y = lfirst(b);

	if (x->attno != y->attno)
		return x->attno < y->attno ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (x->by_tag != y->by_tag)
		return x->by_tag ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* The masks of a protected relation, now or in the past, by column and priority. */
List *
masks_read(Relation rel, const Past *past)
{
	List	   *masks;

	/* The library may run with the SQL of a version that had none. */
	if (!steward_has_table(TABLE_COLUMN_MASK) || !steward_has_table(TABLE_TAG_MASK))
		return NIL;
	masks = list_concat(read_column_masks(rel, past), read_masks_by_tag(rel, past));
	list_sort(masks, compare_masks);
	return masks;
}

/* ------------------------------------------------------------------------
 * Building
 * ------------------------------------------------------------------------
 */

typedef struct MaskErrorContext
{
	const ColumnMask *mask;
	Oid			relid;
} MaskErrorContext;

/* Error context: which mask it is that cannot be used. */
static void
mask_error_callback(void *arg)
{
	MaskErrorContext *context = arg;

	errcontext("mask \"%s\" on column \"%s\" of table \"%s\"", context->mask->name,
			   get_attname(context->relid, context->mask->attno, true),
			   get_rel_name(context->relid));
}

/*
 * Makes the mask's expressions ready for plans; asked for where the mask
 * applies to somebody, as policy_make_ready().  Raises where the mask cannot
 * be used: better no answer than an unmasked one.
 */
void
mask_make_ready(const ColumnMask *const_mask, Oid relid)
{
	ColumnMask *mask = unconstify(ColumnMask *, const_mask);
	MaskErrorContext context = {mask, relid};
	ErrorContextCallback callback = {error_context_stack, mask_error_callback, &context};
	MemoryContext old;

	if (likely(mask->plan_expr != NULL))
		return;
	if (mask->problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("mask \"%s\" of that moment can no longer be read: %s", mask->name, mask->problem)));
	error_context_stack = &callback;
	old = MemoryContextSwitchTo(GetMemoryChunkContext(mask));
	if (mask->by_tag)
	{
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(relid, mask->attno, &type, &typmod, &collation);
		mask->expr = mask_parse_for_column(mask->text, mask->attno, type, typmod, collation);
		expression_check((Node *) mask->expr, mask->text, InvalidOid);
	}
	if (mask->expr == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("mask \"%s\" of table \"%s\" has lost the native policy that carries it",
						mask->name, get_rel_name(relid)),
				 errhint("An administrator drops the mask with steward.drop_mask() and creates it again.")));
	mask->plan_when = expression_for_plans(mask->when, mask->created_by, &mask->relations);
	mask->plan_expr = expression_for_plans(mask->expr, mask->created_by, &mask->relations);
	MemoryContextSwitchTo(old);
	error_context_stack = callback.previous;
	governance_track(mask->relations);
}

/* Is the subject one of those who see through the mask, whatever the purpose? */
bool
mask_spares(const ColumnMask *mask, Oid subject)
{
	for (int i = 0; i < mask->nroles; i++)
	{
		if (!OidIsValid(mask->unless_roles[i]) ||
			has_privs_of_role(subject, mask->unless_roles[i]))
			return true;
	}
	return false;
}

/* The masked column, as a column of the relation asked about; 0: it has none such. */
AttrNumber
mask_attno(const PolicySet *set, const ColumnMask *mask)
{
	return set->attrmap == NULL ? mask->attno : set->attrmap->attnums[mask->attno - 1];
}

/* An expression of the mask, as a copy on the relation asked about. */
static Expr *
on_relation(const PolicySet *set, Expr *expr, Oid subject)
{
	bool		whole_row;

	if (expr == NULL)
		return NULL;
	expr = copyObject(expr);
	if (subject != subject_untrusted())
		expr = expression_for_subject(expr, subject);
	if (set->attrmap != NULL)
		expr = (Expr *) map_variable_attnos((Node *) expr, 1, 0, set->attrmap,
											set->rowtype, &whole_row);
	return expr;
}

static Expr *
is_not(Expr *arg, BoolTestType type)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = arg;
	test->booltesttype = type;
	test->location = -1;
	return (Expr *) test;
}

/*
 * Puts the masks of one set around the value of a column: what the subject
 * sees in place of it.  Masks that never apply to him leave it as it is.
 */
static Expr *
mask_value(const PolicySet *set, AttrNumber attno, Expr *value, Oid subject, MaskResult *result)
{
	CaseExpr   *cases = NULL;
	ListCell   *lc;

	foreach(lc, set->masks)
	{
		const ColumnMask *mask = lfirst(lc);
		Expr	   *condition = NULL;
		CaseWhen   *when;

		if (mask_attno(set, mask) != attno || mask_spares(mask, subject) ||
			(set->attrmap != NULL && BROKEN("partition-masks")))
			continue;
		mask_make_ready(mask, set->relid);
		result->masked = true;
		result->relations = list_concat_unique_oid(result->relations, mask->relations);

		/* CASE WHEN the purpose does not spare AND the cell is meant … */
		if (mask->unless_purposes != NULL)
		{
			condition = is_not(purpose_gate(mask->unless_purposes, subject), IS_NOT_TRUE);
			result->spared_by = lappend(result->spared_by, mask->unless_purposes);
		}
		else
			result->always = true;
		if (mask->plan_when != NULL)
		{
			Expr	   *meant = is_not(on_relation(set, mask->plan_when, subject), IS_NOT_FALSE);

			condition = condition == NULL ? meant :
				makeBoolExpr(AND_EXPR, list_make2(condition, meant), -1);
		}
		if (cases == NULL)
		{
			cases = makeNode(CaseExpr);
			cases->casetype = exprType((Node *) value);
			cases->casecollid = exprCollation((Node *) value);
			cases->location = -1;
		}
		if (condition == NULL)
		{
			/* This one always applies; those of higher priority number never. */
			value = on_relation(set, mask->plan_expr, subject);
			break;
		}
		when = makeNode(CaseWhen);
		when->expr = condition;
		when->result = on_relation(set, mask->plan_expr, subject);
		when->location = -1;
		cases->args = lappend(cases->args, when);
	}
	if (cases == NULL || cases->args == NIL)
		return value;
	cases->defresult = value;
	return (Expr *) cases;
}

typedef struct DerivedContext
{
	Oid			relid;
	Oid			subject;
	MaskResult *result;
} DerivedContext;

static Node *
mask_derived(Node *node, DerivedContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == 1 && ((Var *) node)->varlevelsup == 0)
	{
		MaskResult	inner = {0};
		Expr	   *masked = mask_column(context->relid, (Var *) node, context->subject, &inner);

		if (!inner.masked)
			return node;
		context->result->masked = true;
		context->result->always |= inner.always;
		context->result->spared_by = list_concat(context->result->spared_by, inner.spared_by);
		context->result->relations = list_concat_unique_oid(context->result->relations, inner.relations);
		return (Node *) masked;
	}
	return expression_tree_mutator(node, mask_derived, context);
}

/*
 * A generated column tells of the columns it is made of: it is made anew of
 * what the subject sees of them.
 */
static Expr *
mask_generated(Oid relid, Var *var, Oid subject, MaskResult *result)
{
	DerivedContext context = {relid, subject, result};
	Relation	rel = table_open(relid, AccessShareLock);
	Node	   *expr = NULL;

	if (TupleDescAttr(RelationGetDescr(rel), var->varattno - 1)->attgenerated &&
		!BROKEN("generated-columns"))
		expr = build_column_default(rel, var->varattno);
	table_close(rel, AccessShareLock);
	if (expr == NULL)
		return (Expr *) var;
	expr = mask_derived(expr, &context);
	return result->masked ? (Expr *) expr : (Expr *) var;
}

/*
 * What the subject sees in place of a column of a governed relation: the
 * column itself (result->masked false), or an expression over the relation's
 * own columns, which are of varno 1.
 */
Expr *
mask_column(Oid relid, Var *var, Oid subject, MaskResult *result)
{
	Expr	   *value;
	ListCell   *lc;

	memset(result, 0, sizeof(*result));
	value = mask_generated(relid, copyObject(var), subject, result);
	foreach(lc, governance_of(relid)->sets)
	{
		const PolicySet *set = lfirst(lc);

		if (!set->observe)
			value = mask_value(set, var->varattno, value, subject, result);
	}
	if (result->masked && glass_concerns(subject))
		value = glass_case(relid, subject, var, value);
	return value;
}

/* May an error of the mask quote a value? */
bool
mask_converts(const ColumnMask *const_mask)
{
	ColumnMask *mask = unconstify(ColumnMask *, const_mask);

	/* A mask by tag is not parsed before somebody is shown it. */
	if (mask->expr == NULL)
		return true;
	if (!mask->looked)
		mask->converts = expression_converts((Node *) mask->expr) ||
			expression_converts((Node *) mask->when);
	mask->looked = true;
	return mask->converts;
}

/* Is there anything to mask for the subject? */
bool
mask_any(const Governance *governance, Oid subject)
{
	ListCell   *lc;

	foreach(lc, governance->sets)
	{
		const PolicySet *set = lfirst(lc);
		ListCell   *lc2;

		if (set->observe)
			continue;
		foreach(lc2, set->masks)
		{
			if (!mask_spares(lfirst(lc2), subject))
				return true;
		}
	}
	return false;
}

/* May the subject see something else in place of the column? */
bool
mask_may_apply(Oid relid, AttrNumber attno, Oid subject)
{
	ListCell   *lc;
	Oid			type;
	int32		typmod;
	Oid			collation;
	MaskResult	result;

	foreach(lc, governance_of(relid)->sets)
	{
		const PolicySet *set = lfirst(lc);
		ListCell   *lc2;

		foreach(lc2, set->observe ? NIL : set->masks)
		{
			if (mask_attno(set, lfirst(lc2)) == attno && !mask_spares(lfirst(lc2), subject))
				return true;
		}
	}
	if (get_attgenerated(relid, attno) == '\0')
		return false;
	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	(void) mask_column(relid, makeVar(1, attno, type, typmod, collation, 0), subject, &result);
	return result.masked;
}

/* ------------------------------------------------------------------------
 * Labels
 * ------------------------------------------------------------------------
 */

/* Are all the tags of the first list in the second? */
static bool
includes_tags(List *old, List *new)
{
	ListCell   *lc;

	foreach(lc, old)
	{
		if (!list_member(new, lfirst(lc)))
			return false;
	}
	return true;
}

/*
 * Of several masks on a column the one with the lowest priority wins: raises
 * where the masks of these tags and those on the column itself have equal ones.
 */
static void
check_priorities(const ObjectAddress *column, List *tags)
{
	Relation	rel = table_open(column->objectId, AccessShareLock);
	List	   *masks = NIL;
	ListCell   *lc;

	foreach(lc, tags == NIL ? NIL : read_tag_masks(NULL))
	{
		if (list_member(tags, makeString(((TagMask *) lfirst(lc))->tag)))
			masks = lappend(masks, &((TagMask *) lfirst(lc))->mask);
	}
	foreach(lc, masks == NIL ? NIL : read_column_masks(rel, NULL))
	{
		if (((ColumnMask *) lfirst(lc))->attno == column->objectSubId)
			masks = lappend(masks, lfirst(lc));
	}
	table_close(rel, NoLock);

	for (int i = 0; i < list_length(masks); i++)
	{
		const ColumnMask *mask = list_nth(masks, i);

		for (int j = 0; j < i; j++)
		{
			const ColumnMask *other = list_nth(masks, j);

			if (mask->priority == other->priority)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_OBJECT),
						 errmsg("masks \"%s\" and \"%s\" on column \"%s\" of table \"%s\" would both have priority %d",
								other->name, mask->name,
								get_attname(column->objectId, column->objectSubId, false),
								get_rel_name(column->objectId), mask->priority),
						 errhint("The mask with the lowest priority wins: an administrator gives one of them another.")));
		}
	}
}

/*
 * Checks a label that somebody sets on a column: that it is a list of tags,
 * that no tag is lost but by an administrator, and that the masks of its tags
 * fit the column.
 */
void
mask_check_label(const ObjectAddress *column, const char *label)
{
	Oid			subject = access_subject();
	Oid			relid = column->objectId;
	List	   *tags = label == NULL ? NIL : mask_split_tags(label);
	List	   *old;
	ListCell   *lc;
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (get_rel_relkind(relid) != RELKIND_RELATION &&
		get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("label \"%s\" of provider \"%s\" is not valid on a column of \"%s\"",
						label ? label : "", "steward", get_rel_name(relid)),
				 errhint("Columns of tables take tags.")));
	old = mask_column_tags(relid, column->objectSubId);
	if (!includes_tags(old, tags) && !steward_is_admin(subject))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not take a tag from column \"%s\" of table \"%s\"",
						GetUserNameFromId(subject, false),
						get_attname(relid, column->objectSubId, false), get_rel_name(relid)),
				 errhint("It takes the rights of role \"%s\".", steward_role_name(STEWARD_ADMIN))));
	if (!steward_has_table(TABLE_TAG_MASK))
		return;
	second_person_check_label(column, !includes_tags(old, tags), !includes_tags(tags, old));

	check_priorities(column, tags);
	get_atttypetypmodcoll(relid, column->objectSubId, &type, &typmod, &collation);
	foreach(lc, tags == NIL ? NIL : read_tag_masks(NULL))
	{
		TagMask    *tag_mask = lfirst(lc);

		if (list_member(tags, makeString(tag_mask->tag)))
			expression_check((Node *) mask_parse_for_column(tag_mask->text, column->objectSubId,
															type, typmod, collation),
							 tag_mask->text, InvalidOid);
	}
	if (tags != NIL && !access_is_governed(relid))
		ereport(WARNING,
				(errmsg("table \"%s\" is not protected: masks by tag do not apply to it", get_rel_name(relid)),
				 errhint("Protect it with steward.protect().")));
	governance_changed(relid);
	history_touch(HISTORY_COLUMN_TAG);
}
