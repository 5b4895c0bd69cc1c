/*-------------------------------------------------------------------------
 *
 * format.c
 *	  The formats that docs/leaf-encoding.md lists, and log.json.
 *
 * Nothing signs log.json: where its code and version are listed, it must say
 * what the list says, or fields could be passed off as others.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <stdlib.h>
#include <string.h>

static const char *const encodings[] = {
	"bool", "int", "float", "time", "uuid", "text", "bytes", "json", "texts", "ints"
};

/* Fields with their encodings, "|" before each group that can be erased. */
static const struct
{
	const char *log;
	uint8_t		code;
	uint8_t		version;
	const char *fields;
}			listed[] =
{
	{
		"access_event", 1, 1,
		"kind text statement_id text access_no int purpose text command text relation_name text "
		"relation_oid int decision text outcome text rows_returned int rows_affected int "
		"duration_ms float query_id int transaction_id int run_id uuid policy_revision int "
		"backend_pid int error_code text "
		"| session_role text subject_role text subject text token_issuer text application_name text "
		"client_addr text "
		"| columns texts query_text text parameters texts "
		"| reason text "
		"| entities ints entity_scope text "
	},
	{
		"inference_log", 2, 1,
		"request_id uuid model text version text operation text purpose text status_code int "
		"latency_ms float input_tokens int output_tokens int trace_id text span_id text "
		"| subject text "
		"| input json "
		"| output json "
		"| conversation_id text entities texts "
		"| finish_reasons texts attributes json "
	},
	{
		"change_log", 3, 1,
		"transaction_id int object_kind text action text "
		"| session_role text subject text "
		"| object_name text "
		"| before json "
		"| after json "
	},
};

/* A name that can be printed and compared: of letters, digits and underscores. */
static bool
is_identifier(const Json *json)
{
	return json != NULL && json->type == JSON_STRING && json->text[0] != '\0' &&
		strspn(json->text, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(json->text);
}

static char *
copy_string(const char *text)
{
	char	   *copy = allocate(strlen(text) + 1);

	strcpy(copy, text);
	return copy;
}

/* Reads log.json. */
bool
format_read(const Bytes *bytes, Format *format, const char **problem)
{
	Json		json;
	const Json *log;
	const Json *fields;
	bool		ok = false;

	memset(format, 0, sizeof(Format));
	*problem = "it is not JSON";
	if (!json_parse((const char *) bytes->data, bytes->len, &json))
		return false;
	log = json_member(&json, "log");
	fields = json_member(&json, "fields");
	*problem = "it does not tell log, code, version, size and fields";
	if (is_identifier(log) &&
		json_uint(json_member(&json, "code"), &format->code) && format->code <= 255 &&
		json_uint(json_member(&json, "version"), &format->version) && format->version <= 255 &&
		json_uint(json_member(&json, "size"), &format->size) &&
		fields != NULL && fields->type == JSON_ARRAY && fields->n <= MAX_FIELDS)
	{
		ok = true;
		format->log = copy_string(log->text);
	}
	for (int i = 0; ok && i < fields->n; i++)
	{
		const Json *name = json_member(&fields->items[i], "name");
		const Json *encoding = json_member(&fields->items[i], "encoding");
		uint64_t	group;
		int			e = 0;

		*problem = "a field is not described";
		ok = is_identifier(name) && encoding != NULL && encoding->type == JSON_STRING &&
			json_uint(json_member(&fields->items[i], "group"), &group) && group <= MAX_GROUPS &&
			((int) group == format->ngroups || (int) group == format->ngroups + 1);
		while (ok && e < (int) lengthof(encodings) && strcmp(encoding->text, encodings[e]) != 0)
			e++;
		ok = ok && e < (int) lengthof(encodings);
		if (ok)
		{
			format->fields[i].name = copy_string(name->text);
			format->fields[i].encoding = (Encoding) e;
			format->fields[i].group = format->ngroups = (int) group;
			format->nfields++;
		}
	}
	json_free(&json);
	return ok;
}

/* Does log.json say what the list says?  *is_listed: it is in the list. */
bool
format_is_right(const Format *format, bool *is_listed)
{
	*is_listed = false;
	for (int i = 0; i < (int) lengthof(listed); i++)
	{
		const char *at = listed[i].fields;
		int			group = 0;

		if (format->code != listed[i].code || format->version != listed[i].version)
			continue;
		*is_listed = true;
		if (strcmp(format->log, listed[i].log) != 0)
			return false;
		for (int f = 0; f < format->nfields; f++)
		{
			const char *words[] = {format->fields[f].name, encodings[format->fields[f].encoding]};

			if (*at == '|')
			{
				group++;
				at += 2;
			}
			for (int w = 0; w < 2; w++)
			{
				size_t		len = strlen(words[w]);

				if (strncmp(at, words[w], len) != 0 || at[len] != ' ')
					return false;
				at += len + 1;
			}
			if (format->fields[f].group != group)
				return false;
		}
		return *at == '\0';
	}
	return true;
}
