/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Small JSON documents from outside, as a tree.
 *
 * PostgreSQL's own parser reads them; a key that stands twice in one object
 * makes the document unreadable, for two readers could take it for two
 * different things.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/token_internal.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#define MAX_DEPTH	32
#define MAX_NODES	20000

typedef struct TreeState
{
	JsonLexContext *lex;
	List	   *open;			/* of JsonValue: objects and arrays, innermost
								 * last */
	JsonValue  *root;
	int			nnodes;
	const char *problem;		/* set by an action that cannot go on */
} TreeState;

/* Raised inside of actions, where before 16 there is no other way out. */
static void
give_up(TreeState *state, const char *problem)
{
	if (state->problem == NULL)
		state->problem = problem;
}

/* Puts a value where it belongs: into what is open, or as the root. */
static void
place(TreeState *state, JsonValue *value)
{
	if (++state->nnodes > MAX_NODES)
	{
		give_up(state, "it holds too many values");
		return;
	}
	if (state->open == NIL)
		state->root = value;
	else
	{
		JsonValue  *parent = llast(state->open);

		parent->items = lappend(parent->items, value);
	}
}

static void
open_value(TreeState *state, JsonValueKind kind)
{
	JsonValue  *value = palloc0(sizeof(JsonValue));

	value->kind = kind;
	place(state, value);
	state->open = lappend(state->open, value);
}

STEWARD_JSON_ACTION
object_start(void *arg)
{
	open_value(arg, JSON_VALUE_OBJECT);
	STEWARD_JSON_DONE;
}

STEWARD_JSON_ACTION
array_start(void *arg)
{
	open_value(arg, JSON_VALUE_ARRAY);
	STEWARD_JSON_DONE;
}

STEWARD_JSON_ACTION
close_value(void *arg)
{
	TreeState  *state = arg;

	state->open = list_delete_last(state->open);
	STEWARD_JSON_DONE;
}

STEWARD_JSON_ACTION
field_start(void *arg, char *name, bool isnull)
{
	TreeState  *state = arg;
	JsonValue  *object = llast(state->open);
	ListCell   *lc;

	foreach(lc, object->keys)
	{
		if (strcmp(lfirst(lc), name) == 0)
			give_up(state, "a key stands twice in one object");
	}
	object->keys = lappend(object->keys, name);
	STEWARD_JSON_DONE;
}

STEWARD_JSON_ACTION
scalar(void *arg, char *token, JsonTokenType type)
{
	JsonValue  *value = palloc0(sizeof(JsonValue));

	switch (type)
	{
		case JSON_TOKEN_STRING:
			value->kind = JSON_VALUE_STRING;
			break;
		case JSON_TOKEN_NUMBER:
			value->kind = JSON_VALUE_NUMBER;
			break;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			value->kind = JSON_VALUE_BOOL;
			break;
		default:
			value->kind = JSON_VALUE_NULL;
			break;
	}
	value->text = token;
	place(arg, value);
	STEWARD_JSON_DONE;
}

/*
 * Is the text nested too deeply?  Asked before the parser, which would use up
 * the stack.
 */
static bool
too_deep(const char *text, Size len)
{
	int			depth = 0;
	bool		in_string = false;

	for (Size i = 0; i < len; i++)
	{
		char		c = text[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
		{
			if (++depth > MAX_DEPTH)
				return true;
		}
		else if (!in_string && (c == '}' || c == ']'))
			depth--;
	}
	return false;
}

/*
 * Parses len bytes of UTF-8.  NULL where they are not one JSON document, with
 * the reason in words, which show nothing of the document.
 */
JsonValue *
json_tree(const char *bytes, Size len, const char **problem)
{
	TreeState	state = {0};
	JsonSemAction actions = {0};
	char	   *text;

	*problem = "it is not JSON";
	if (!pg_verify_mbstr(PG_UTF8, bytes, (int) len, true))
		return NULL;
	text = pg_any_to_server(bytes, (int) len, PG_UTF8);

	if (text !=bytes)
		len = strlen(text);
	if (too_deep(text, len))
	{
		*problem = "it is nested too deeply";
		return NULL;
	}

	state.lex = steward_json_lexer(text, (int) len, GetDatabaseEncoding());
	actions.semstate = &state;
	actions.object_start = object_start;
	actions.object_end = close_value;
	actions.array_start = array_start;
	actions.array_end = close_value;
	actions.object_field_start = field_start;
	actions.scalar = scalar;
	if (pg_parse_json(state.lex, &actions) != JSON_SUCCESS)
		return NULL;
	if (state.problem != NULL)
	{
		*problem = state.problem;
		return NULL;
	}
	*problem = NULL;
	return state.root;
}

/* A member of an object; NULL where there is none, or it is null. */
JsonValue *
json_member(const JsonValue *object, const char *key)
{
	ListCell   *lc;
	ListCell   *lc2;

	forboth(lc, object->keys, lc2, object->items)
	{
		JsonValue  *value = lfirst(lc2);

		if (strcmp(lfirst(lc), key) == 0)
			return value->kind == JSON_VALUE_NULL ? NULL : value;
	}
	return NULL;
}

/* Does the object have the key, if only with the value null? */
bool
json_has_key(const JsonValue *object, const char *key)
{
	ListCell   *lc;

	foreach(lc, object->keys)
	{
		if (strcmp(lfirst(lc), key) == 0)
			return true;
	}
	return false;
}

/* A member that is a string; NULL where it is not. */
const char *
json_string(const JsonValue *object, const char *key)
{
	JsonValue  *value = json_member(object, key);

	return value != NULL && value->kind == JSON_VALUE_STRING ? value->text : NULL;
}

/*
 * A scalar, or an array of scalars, as a list of texts; nulls are left out.
 * False where the value is nested deeper.
 */
bool
json_texts(const JsonValue *value, List **texts)
{
	ListCell   *lc;

	*texts = NIL;
	if (value->kind == JSON_VALUE_OBJECT)
		return false;
	if (value->kind != JSON_VALUE_ARRAY)
	{
		if (value->kind != JSON_VALUE_NULL)
			*texts = list_make1(value->text);
		return true;
	}
	foreach(lc, value->items)
	{
		JsonValue  *item = lfirst(lc);

		if (item->kind == JSON_VALUE_OBJECT || item->kind == JSON_VALUE_ARRAY)
			return false;
		if (item->kind != JSON_VALUE_NULL)
			*texts = lappend(*texts, item->text);
	}
	return true;
}
