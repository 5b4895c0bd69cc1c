/*-------------------------------------------------------------------------
 *
 * explain_mask.c
 *	  Tells in words what the masks of a relation do for one person, purpose
 *	  and moment.
 *
 * The order in which masks win is that of mask_value(), on the very masks
 * that the planner uses.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/explain.h"
#include "access/history.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Whether, and if not why not, a mask masks anything. */
typedef enum MaskVerdict
{
	MASK_MASKS,
	MASK_OBSERVED,				/* the table is only observed */
	MASK_BYPASSED,				/* the role is above policies */
	MASK_SPARES_ROLE,
	MASK_SPARES_PURPOSE,
	MASK_NO_CELL,				/* its condition is false for everything */
	MASK_BEATEN,				/* another one always wins */
	MASK_LIFTED,				/* by break-glass, in this session */
	MASK_NOTHING_SEEN,			/* the decision is denied */
	MASK_UNREADABLE				/* of the past: its expressions are lost */
} MaskVerdict;

/* Is it among the purposes that see through the mask? */
static bool
spares_purpose(const ColumnMask *mask, const char *purpose, TimestampTz at)
{
	return mask->unless_purposes != NULL && purpose != NULL &&
		gate_is_open(mask->unless_purposes, DT_NOBEGIN, DT_NOEND, purpose, at);
}

/* The condition of the mask, closed for the situation; NULL: every cell. */
static Expr *
condition_of(const PolicySet *set, const ColumnMask *mask, const Situation *situation)
{
	Expr	   *condition;

	mask_make_ready(mask, set->relid);
	if (mask->when == NULL)
		return NULL;
	condition = expression_instantiate(mask->when, situation);
	return is_bool_const(condition, true) ? NULL : condition;
}

/* Does the mask count for the person, in some cells or in all? */
static bool
concerns_person(const ColumnMask *mask, const Situation *situation)
{
	return !mask_spares(mask, situation->subject) &&
		!spares_purpose(mask, situation->purpose, situation->at);
}

/*
 * The mask that wins over this one in every cell, or NULL: one of the same
 * set that comes before it, or one of a later set, which is put around.
 */
static const ColumnMask *
always_wins(const Explanation *explanation, const PolicySet *own, const ColumnMask *mask)
{
	const Situation *situation = &explanation->situation;
	bool		later = false;
	ListCell   *lc;

	foreach(lc, explain_governance(explanation)->sets)
	{
		const PolicySet *set = lfirst(lc);
		ListCell   *lc2;

		later |= set == own;
		foreach(lc2, later && !set->observe ? set->masks : NIL)
		{
			const ColumnMask *other = lfirst(lc2);

			if (other == mask)
				break;
			if (mask_attno(set, other) == mask_attno(own, mask) && other->problem == NULL &&
				concerns_person(other, situation) &&
				condition_of(set, other, situation) == NULL)
				return other;
		}
	}
	return NULL;
}

/*
 * What the mask does.  *condition is set to what a cell must fulfil (NULL:
 * every cell) where it masks, *winner to the mask by which it is beaten.
 */
static MaskVerdict
mask_verdict(const Explanation *explanation, const PolicySet *set, const ColumnMask *mask,
			 Expr **condition, const ColumnMask **winner)
{
	const Situation *situation = &explanation->situation;

	if (set->observe)
		return MASK_OBSERVED;
	if (steward_bypasses(situation->subject))
		return MASK_BYPASSED;
	if (mask_spares(mask, situation->subject))
		return MASK_SPARES_ROLE;
	if (spares_purpose(mask, situation->purpose, situation->at))
		return MASK_SPARES_PURPOSE;
	if (mask->problem != NULL)
		return MASK_UNREADABLE;
	*winner = always_wins(explanation, set, mask);
	if (*winner != NULL)
		return MASK_BEATEN;
	*condition = condition_of(set, mask, situation);
	return is_bool_const(*condition, false) ? MASK_NO_CELL : MASK_MASKS;
}

/* Through which of its roles the mask spares the person. */
static char *
spared_role_in_words(const ColumnMask *mask, Oid subject)
{
	for (int i = 0; i < mask->nroles; i++)
	{
		Oid			role = mask->unless_roles[i];

		if (!OidIsValid(role))
			return pstrdup("everybody");
		if (role == subject)
			return pstrdup("the role itself");
		if (has_privs_of_role(subject, role))
			return psprintf("%s, whose rights the role has", role_in_words(role));
	}
	elog(ERROR, "mask \"%s\" spares nobody", mask->name);
	return NULL;
}

/* Where a mask masks, and what would have to change so that it does not. */
static char *
masks_in_words(const Explanation *explanation, const PolicySet *set, const ColumnMask *mask,
			   Expr *condition)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	if (condition == NULL)
		appendStringInfoString(&buf, "every cell");
	else
		appendStringInfo(&buf, "cells for which the condition is not false: %s",
						 expression_in_sql(condition, set->relid));
	foreach(lc, set->masks)
	{
		const ColumnMask *other = lfirst(lc);

		if (other == mask)
			break;
		if (other->attno == mask->attno && other->problem == NULL && concerns_person(other, &explanation->situation) &&
			!is_bool_const(condition_of(set, other, &explanation->situation), false))
			appendStringInfo(&buf, ", but for those of mask \"%s\" (priority %d)",
							 other->name, other->priority);
	}
	if (spares_purpose(mask, explanation->asked, explanation->situation.at))
		appendStringInfo(&buf, "; does not spare the role: %s",
						 explain_not_granted(explanation->asked, &explanation->situation));
	return buf.data;
}

/* The reason for a verdict, in words. */
static char *
mask_reason(const Explanation *explanation, const PolicySet *set, const ColumnMask *mask,
			MaskVerdict verdict, Expr *condition, const ColumnMask *winner)
{
	Oid			subject = explanation->situation.subject;

	switch (verdict)
	{
		case MASK_MASKS:
			return masks_in_words(explanation, set, mask, condition);
		case MASK_OBSERVED:
			return pstrdup("the table is only observed");
		case MASK_BYPASSED:
			return pstrdup(superuser_arg(subject) ? "the role is a superuser" : "the role has BYPASSRLS");
		case MASK_SPARES_ROLE:
			return psprintf("spares %s", spared_role_in_words(mask, subject));
		case MASK_SPARES_PURPOSE:
			return psprintf("spares purpose \"%s\"", explanation->situation.purpose);
		case MASK_NO_CELL:
			return pstrdup("its condition is false for every cell");
		case MASK_BEATEN:
			return psprintf("mask \"%s\" (priority %d) wins in every cell", winner->name, winner->priority);
		case MASK_LIFTED:
			return pstrdup("lifted by break-glass");
		case MASK_NOTHING_SEEN:
			return pstrdup("nothing is seen: the decision is denied");
		case MASK_UNREADABLE:
			return psprintf("it can no longer be read: %s", mask->problem);
	}
	elog(ERROR, "unrecognized verdict %d", (int) verdict);
	return NULL;
}

/* Does break-glass lift masks for the person in this session? */
bool
explain_is_lifted(const Explanation *explanation)
{
	return glass_is_broken(RelationGetRelid(explanation->rel), explanation->situation.subject) &&
		glass_since() <= explanation->situation.at && explanation->situation.at < glass_until();
}

/* One row: a mask. */
static void
explain_mask(Explanation *explanation, const PolicySet *set, const ColumnMask *mask, bool denied)
{
	Expr	   *condition = NULL;
	const ColumnMask *winner = NULL;
	MaskVerdict verdict = mask_verdict(explanation, set, mask, &condition, &winner);
	char	   *expression = mask->text;
	StringInfoData reason;

	if ((verdict == MASK_MASKS || verdict == MASK_UNREADABLE) && explain_is_lifted(explanation))
		verdict = MASK_LIFTED;
	if (verdict == MASK_MASKS && denied)
		verdict = MASK_NOTHING_SEEN;
	if (verdict == MASK_MASKS)
		expression = expression_in_sql(expression_instantiate(mask->expr, &explanation->situation),
									   set->relid);
	else if (!mask->by_tag && mask->expr != NULL)
		expression = expression_in_sql(mask->expr, set->relid);

	initStringInfo(&reason);
	appendStringInfo(&reason, "column %s", quote_identifier(get_attname(set->relid, mask->attno, false)));
	if (mask->by_tag)
		appendStringInfo(&reason, ", tagged \"%s\"", mask->tag);
	appendStringInfo(&reason, ": %s", mask_reason(explanation, set, mask, verdict, condition, winner));
	if (set->relid != RelationGetRelid(explanation->rel))
		appendStringInfo(&reason, "; mask of \"%s\", which governs this relation as its child",
						 get_rel_name(set->relid));
	if (expression == NULL && mask->problem == NULL)
		appendStringInfoString(&reason, "; the native policy that carries its expression is gone");

	explain_emit(explanation, mask->by_tag ? "tag mask" : "mask", mask->name,
				 verdict == MASK_MASKS ? "masks" : verdict == MASK_UNREADABLE ? "cannot be told" : "does not mask",
				 reason.data, expression);
}

/* One row for each mask of the past whose column has gone since. */
static void
explain_lost_masks(Explanation *explanation, const PolicySet *set)
{
	List	   *lost = past_lost_masks(past_at(explanation->situation.at), set->relid);

	for (int i = 0; i + 2 < list_length(lost); i += 3)
		explain_emit(explanation, "mask", list_nth(lost, i), "cannot be told",
					 psprintf("column %s: it was dropped since", quote_identifier(list_nth(lost, i + 1))),
					 list_nth(lost, i + 2));
}

/* One row for each mask and column; none masks where the decision is denied. */
void
explain_masks(Explanation *explanation, bool denied)
{
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, explain_governance(explanation)->sets)
	{
		const PolicySet *set = lfirst(lc);

		foreach(lc2, set->masks)
			explain_mask(explanation, set, lfirst(lc2), denied);
		if (explanation->governance != NULL)
			explain_lost_masks(explanation, set);
	}
}

/*
 * The columns that are masked, in some cells or in all; a generated column is
 * where one is masked of which it is made.
 */
Bitmapset *
explain_masked_columns(const Explanation *explanation)
{
	Relation	rel = explanation->rel;
	Bitmapset  *masked = NULL;
	Bitmapset  *derived = NULL;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, explain_governance(explanation)->sets)
	{
		const PolicySet *set = lfirst(lc);

		foreach(lc2, set->masks)
		{
			const ColumnMask *mask = lfirst(lc2);
			Expr	   *condition = NULL;
			const ColumnMask *winner = NULL;

			MaskVerdict verdict;

			if (mask_attno(set, mask) <= 0)
				continue;
			verdict = mask_verdict(explanation, set, mask, &condition, &winner);
			if (verdict == MASK_MASKS || verdict == MASK_UNREADABLE)
				masked = bms_add_member(masked, mask_attno(set, mask));
		}
	}
	if (masked == NULL)
		return NULL;
	for (AttrNumber attno = 1; attno <= RelationGetNumberOfAttributes(rel); attno++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
		Bitmapset  *sources = NULL;

		if (att->attisdropped || !att->attgenerated)
			continue;
		pull_varattnos(build_column_default(rel, attno), 1, &sources);
		for (int i = -1; (i = bms_next_member(sources, i)) >= 0;)
		{
			if (bms_is_member(i + FirstLowInvalidHeapAttributeNumber, masked) ||
				i + FirstLowInvalidHeapAttributeNumber == 0)
				derived = bms_add_member(derived, attno);
		}
	}
	return bms_add_members(masked, derived);
}

/* The names of columns, quoted where that is needed. */
List *
explain_column_names(Relation rel, const Bitmapset *columns)
{
	List	   *names = NIL;

	for (int attno = -1; (attno = bms_next_member(columns, attno)) >= 0;)
		names = lappend(names, pstrdup(quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel), attno - 1)->attname))));
	return names;
}

/* A text array of the strings of a list. */
Datum
explain_text_array(List *strings)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(list_length(strings), 1));
	ListCell   *lc;

	foreach(lc, strings)
		elems[foreach_current_index(lc)] = CStringGetTextDatum((char *) lfirst(lc));
	return PointerGetDatum(construct_array(elems, list_length(strings), TEXTOID, -1, false, TYPALIGN_INT));
}
