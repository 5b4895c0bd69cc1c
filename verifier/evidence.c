/*-------------------------------------------------------------------------
 *
 * evidence.c
 *	  What the change log says of logs: erased groups, dropped records.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <stdlib.h>
#include <string.h>

/* One record of the change log. */
typedef struct Action
{
	char	   *log;
	bool		redacted;		/* else records were dropped */
	uint64_t	first;
	uint64_t	last;
	bool		groups[MAX_GROUPS + 1];
} Action;

static Action *actions = NULL;
static size_t nactions = 0;
static size_t capacity = 0;
static bool sorted = true;

/* A field of the record by its name, as text; false where it is NULL. */
static bool
value_text(const Format *format, const Value *values, const char *name, const char **text, size_t *len)
{
	for (int i = 0; i < format->nfields; i++)
		if (strcmp(format->fields[i].name, name) == 0 && values[i].data != NULL && values[i].len >= 4)
		{
			*text = (const char *) values[i].data + 4;
			*len = values[i].len - 4;
			return true;
		}
	return false;
}

static bool
is_text(const char *text, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(text, what, len) == 0;
}

/* Keeps what a record of the change log says about logs. */
void
evidence_add(const Format *format, const Value *values)
{
	const char *kind;
	const char *action;
	const char *name;
	const char *after;
	size_t		kind_len;
	size_t		action_len;
	size_t		name_len;
	size_t		after_len;
	Action		found;
	Json		json;
	bool		ok = false;

	if (!value_text(format, values, "object_kind", &kind, &kind_len) ||
		!value_text(format, values, "action", &action, &action_len) ||
		!value_text(format, values, "object_name", &name, &name_len) ||
		!value_text(format, values, "after", &after, &after_len))
		return;
	memset(&found, 0, sizeof(found));
	found.redacted = is_text(kind, kind_len, "log record") && is_text(action, action_len, "redact");
	if (!found.redacted && !(is_text(kind, kind_len, "log") && is_text(action, action_len, "drop records")))
		return;
	if (!json_parse(after, after_len, &json))
		return;
	if (found.redacted)
	{
		const char *slash = memchr(name, '/', name_len);
		const Json *groups = json_member(&json, "groups");

		if (slash != NULL && groups != NULL && groups->type == JSON_ARRAY &&
			parse_decimal(slash + 1, name_len - (size_t) (slash + 1 - name), &found.first))
		{
			uint64_t	group;

			ok = true;
			found.last = found.first;
			name_len = (size_t) (slash - name);
			for (int i = 0; i < groups->n; i++)
				if (json_uint(&groups->items[i], &group) && group <= MAX_GROUPS)
					found.groups[group] = true;
		}
	}
	else
		ok = json_uint(json_member(&json, "from_seq"), &found.first) &&
			json_uint(json_member(&json, "to_seq"), &found.last);
	json_free(&json);
	if (!ok)
		return;
	found.log = allocate(name_len + 1);
	memcpy(found.log, name, name_len);
	found.log[name_len] = '\0';
	if (nactions == capacity)
	{
		capacity = capacity == 0 ? 64 : 2 * capacity;
		actions = reallocate(actions, capacity * sizeof(Action));
	}
	actions[nactions++] = found;
	sorted = false;
}

/* Forgets everything: the change log was not what it should be. */
void
evidence_clear(void)
{
	while (nactions > 0)
		free(actions[--nactions].log);
}

/* By log and kind, then by the first record. */
static int
compare_actions(const void *a, const void *b)
{
	const Action *x = a;
	const Action *y = b;
	int			order = strcmp(x->log, y->log);

	if (order == 0)
		order = (int) x->redacted - (int) y->redacted;
	if (order == 0)
		order = x->first < y->first ? -1 : x->first > y->first;
	return order;
}

/* The first action of that log and kind whose first record is not below. */
static size_t
find_actions(const char *log, bool redacted, uint64_t first)
{
	Action		wanted = {.log = (char *) log, .redacted = redacted, .first = first};
	size_t		low = 0;
	size_t		high = nactions;

	if (!sorted)
		qsort(actions, nactions, sizeof(Action), compare_actions);
	sorted = true;
	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (compare_actions(&actions[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Was the erasure of that group logged? */
bool
evidence_redacted(const char *log, uint64_t seq, int group)
{
	for (size_t i = find_actions(log, true, seq); i < nactions; i++)
	{
		if (!actions[i].redacted || actions[i].first != seq || strcmp(actions[i].log, log) != 0)
			break;
		if (actions[i].groups[group])
			return true;
	}
	return false;
}

/* Was it logged, at once or in steps, that these records were dropped? */
bool
evidence_dropped(const char *log, uint64_t first, uint64_t last)
{
	for (size_t i = find_actions(log, false, 0); i < nactions && first <= last; i++)
	{
		if (actions[i].redacted || actions[i].first > first || strcmp(actions[i].log, log) != 0)
			break;
		if (actions[i].last >= first)
			first = actions[i].last + 1;
	}
	return first > last;
}
