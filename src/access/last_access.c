/*-------------------------------------------------------------------------
 *
 * last_access.c
 *	  Tells a session whether its last statement was filtered or masked:
 *	  last_access().
 *
 * What a plan does to governed relations is noted in the plan when it is made
 * (enforce.c) and copied here whenever it starts, so that a cached plan tells
 * it, too; that costs a few comparisons an execution and nothing per row.
 * What depends on purpose and moment is worked out when somebody asks.
 *
 * What functions and triggers run belongs to the statement that the client
 * sent.  A statement is told apart from what runs within it by how deep the
 * executor is nested, see access_enter_statement().
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/explain.h"
#include "access/relation.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* What was done to one relation, or (masked > 0) to one of its columns. */
typedef struct Note
{
	Oid			relid;
	Oid			subject;
	int			commands;		/* with TRACE_* */
	AttrNumber	masked;
	int			purpose;		/* in purposes; -1: none */
} Note;

/* The last statement that reached governed relations. */
static uint64 noted_statement = 0;
static TimestampTz noted_at;
static Oid	noted_session;
static uint64 noted_generation;
static Note *notes = NULL;
static int	nnotes = 0;
static int	notes_size = 0;

/* Purposes in TopMemoryContext; the first is kept for the next statement. */
static List *purposes = NIL;

/* The statement that the client sent last, and how deep we are within it. */
static uint64 current_statement = 0;
static int	nesting = 0;

/* A plan or utility statement starts: one of the client, or within one. */
void
access_begin_statement(void)
{
	if (nesting == 0)
		current_statement++;
}

/* Is what starts now part of a statement that runs? */
bool
access_is_nested(void)
{
	return nesting > 0;
}

/* What starts from here on is part of the statement that runs. */
void
access_enter_statement(void)
{
	nesting++;
}

/* The end of that, also by an error. */
void
access_leave_statement(void)
{
	nesting--;
}

/* Begins the notes of one plan. */
void
last_access_begin(Oid session)
{
	if (noted_statement == current_statement)
		return;
	noted_statement = current_statement;
	noted_session = session;
	noted_at = wall_clock();
	noted_generation = governance_generation();
	nnotes = 0;
}

/* The number of a purpose among those noted. */
static int
number_of_purpose(const char *purpose)
{
	MemoryContext old;
	ListCell   *lc;

	if (purpose == NULL)
		return -1;
	foreach(lc, purposes)
	{
		if (strcmp(lfirst(lc), purpose) == 0)
			return foreach_current_index(lc);
	}

	/* No note of this statement yet: those of earlier ones are of no use. */
	if (nnotes == 0)
	{
		list_free_deep(purposes);
		purposes = NIL;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	purposes = lappend(purposes, pstrdup(purpose));
	MemoryContextSwitchTo(old);
	return list_length(purposes) - 1;
}

/* Notes what is done to a relation, or to a column of it. */
void
last_access_note(Oid relid, Oid subject, int commands, AttrNumber masked)
{
	Note		note = {relid, subject, commands, masked, number_of_purpose(purpose_effective(subject))};

	if (glass_is_broken(relid, subject))
		note.commands |= TRACE_GLASS;
	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].relid == relid && notes[i].masked == masked && notes[i].subject == subject &&
			notes[i].commands == note.commands && notes[i].purpose == note.purpose)
			return;
	}
	if (nnotes == notes_size)
	{
		int			size = Max(16, notes_size * 2);

		notes = notes == NULL ? MemoryContextAlloc(TopMemoryContext, size * sizeof(Note)) :
			repalloc(notes, size * sizeof(Note));
		notes_size = size;
	}
	notes[nnotes++] = note;
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

/* What is told about one relation and purpose. */
typedef struct Answer
{
	bool		filtered;
	Bitmapset  *masked;
	List	   *policies;
} Answer;

/* Adds a policy that applied. */
static void
add_policy(Answer *answer, char *name)
{
	ListCell   *lc;

	foreach(lc, answer->policies)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return;
	}
	answer->policies = lappend(answer->policies, name);
}

/* Adds what one note tells. */
static void
add_note(Answer *answer, const Note *note, Explanation *explanation)
{
	bool		unchanged = noted_generation == governance_generation();
	bool		broken = (note->commands & TRACE_GLASS) != 0;

	explanation->situation.subject = note->subject;
	if (note->masked > 0)
	{
		explanation->command = COMMAND_SELECT;
		if (!broken && note->masked <= RelationGetNumberOfAttributes(explanation->rel) &&
			!TupleDescAttr(RelationGetDescr(explanation->rel), note->masked - 1)->attisdropped &&
			(!unchanged || bms_is_member(note->masked, explain_masked_columns(explanation))))
			answer->masked = bms_add_member(answer->masked, note->masked);
		return;
	}
	for (int command = COMMAND_SELECT; command <= COMMAND_DELETE; command <<= 1)
	{
		ListCell   *lc;

		if ((note->commands & command) == 0)
			continue;
		/* Of writing, what governs reading is lifted, too. */
		if (broken && command == COMMAND_SELECT)
		{
			add_policy(answer, "break-glass");
			continue;
		}
		explanation->command = command;
		foreach(lc, explain_applying_policies(explanation))
			add_policy(answer, lfirst(lc));

		/*
		 * The plan knows whether there is a predicate, not what gates make of
		 * it.
		 */
		if ((note->commands & TRACE_FILTERED) != 0 && !answer->filtered)
			answer->filtered = !unchanged ||
				!is_bool_const(explain_rows(explanation).predicate, true);
	}
	if (note->commands & TRACE_NATIVE)
		answer->filtered = true;
}

/* One row, about the relation and purpose of a note and all notes like it. */
static void
emit(const Note *first, Explanation *explanation)
{
	Answer		answer = {false, NULL, NIL};
	Datum		values[5];
	bool		nulls[5] = {0};

	explanation->asked = first->purpose < 0 ? NULL : list_nth(purposes, first->purpose);
	explanation->situation.purpose = explanation->asked;
	for (const Note *note = first; note < notes + nnotes; note++)
	{
		if (note->relid == first->relid && note->purpose == first->purpose)
			add_note(&answer, note, explanation);
	}
	values[0] = ObjectIdGetDatum(first->relid);
	values[1] = BoolGetDatum(answer.filtered);
	values[2] = explain_text_array(explain_column_names(explanation->rel, answer.masked));
	nulls[3] = explanation->asked == NULL;
	values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(explanation->asked);
	values[4] = explain_text_array(answer.policies);
	tuplestore_putvalues(explanation->out->setResult, explanation->out->setDesc, values, nulls);
}

STEWARD_FUNCTION(steward_last_access);

/* last_access() */
Datum
steward_last_access(PG_FUNCTION_ARGS)
{
	Explanation explanation;

	steward_require_preload();
	memset(&explanation, 0, sizeof(explanation));
	explanation.situation.session = noted_session;
	explanation.situation.at = noted_at;
	InitMaterializedSRF(fcinfo, 0);
	explanation.out = (ReturnSetInfo *) fcinfo->resultinfo;

	for (int i = 0; i < nnotes; i++)
	{
		bool		told = false;

		for (int j = 0; j < i && !told; j++)
			told = notes[j].relid == notes[i].relid && notes[j].purpose == notes[i].purpose;
		if (told)
			continue;
		explanation.rel = try_relation_open(notes[i].relid, AccessShareLock);
		if (explanation.rel == NULL)
			continue;			/* dropped since */
		emit(&notes[i], &explanation);
		relation_close(explanation.rel, AccessShareLock);
	}
	PG_RETURN_NULL();
}
