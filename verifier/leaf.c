/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  Formats of logs, entries of leaves, and the payloads that they commit to.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_VERSION	1
#define MAX_ELEMENTS	100000000

static const char *const encodings[] = {
	"bool", "int", "float", "time", "uuid", "text", "bytes", "json", "texts", "ints"
};

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
	if (log != NULL && log->type == JSON_STRING &&
		json_uint(json_member(&json, "code"), &format->code) && format->code <= 255 &&
		json_uint(json_member(&json, "version"), &format->version) && format->version <= 255 &&
		json_uint(json_member(&json, "size"), &format->size) &&
		fields != NULL && fields->type == JSON_ARRAY && fields->n <= MAX_FIELDS)
	{
		ok = true;
		format->log = allocate(strlen(log->text) + 1);
		strcpy(format->log, log->text);
		format->nfields = fields->n;
	}
	for (int i = 0; ok && i < fields->n; i++)
	{
		const Json *name = json_member(&fields->items[i], "name");
		const Json *encoding = json_member(&fields->items[i], "encoding");
		uint64_t	group;
		int			e = 0;

		*problem = "a field is not described";
		ok = name != NULL && name->type == JSON_STRING && encoding != NULL && encoding->type == JSON_STRING &&
			json_uint(json_member(&fields->items[i], "group"), &group) && group <= MAX_GROUPS;
		while (ok && e < (int) (sizeof(encodings) / sizeof(encodings[0])) && strcmp(encoding->text, encodings[e]) != 0)
			e++;
		ok = ok && e < (int) (sizeof(encodings) / sizeof(encodings[0]));
		if (ok)
		{
			format->fields[i].name = allocate(strlen(name->text) + 1);
			strcpy(format->fields[i].name, name->text);
			format->fields[i].encoding = (Encoding) e;
			format->fields[i].group = (int) group;
			if ((int) group > format->ngroups)
				format->ngroups = (int) group;
		}
	}
	json_free(&json);
	return ok;
}

/* Length of a value, without its presence byte; false where it is cut off. */
static bool
value_length(Encoding encoding, const uint8_t *data, size_t len, size_t *value_len)
{
	uint64_t	count;
	size_t		at;

	switch (encoding)
	{
		case ENCODING_BOOL:
			*value_len = 1;
			return len >= 1 && data[0] <= 1;
		case ENCODING_INT:
		case ENCODING_FLOAT:
		case ENCODING_TIME:
			*value_len = 8;
			return len >= 8;
		case ENCODING_UUID:
			*value_len = 16;
			return len >= 16;
		case ENCODING_TEXT:
		case ENCODING_BYTES:
		case ENCODING_JSON:
			if (len < 4)
				return false;
			*value_len = 4 + (size_t) get_uint(data, 4);
			return *value_len <= len;
		case ENCODING_INTS:
			if (len < 4)
				return false;
			*value_len = 4 + 8 * (size_t) get_uint(data, 4);
			return *value_len <= len;
		case ENCODING_TEXTS:
			if (len < 4)
				return false;
			count = get_uint(data, 4);
			if (count > MAX_ELEMENTS)
				return false;
			at = 4;
			for (uint64_t i = 0; i < count; i++)
			{
				if (at >= len || data[at] > 1)
					return false;
				if (data[at++] == 0)
					continue;
				if (len - at < 4 || get_uint(data + at, 4) > len - at - 4)
					return false;
				at += 4 + (size_t) get_uint(data + at, 4);
			}
			*value_len = at;
			return true;
	}
	return false;
}

/*
 * Reads the fields of a group in order; returns what is wrong, or NULL.  values,
 * if given, has room for every field of the format.
 */
const char *
fields_parse(const Format *format, int group, const uint8_t *data, size_t len, size_t *used, Value *values)
{
	size_t		at = 0;

	for (int i = 0; i < format->nfields; i++)
	{
		size_t		value_len;

		if (format->fields[i].group != group)
			continue;
		if (at >= len || data[at] > 1)
			return "a field is cut off or has no presence byte";
		if (data[at++] == 0)
			continue;
		if (!value_length(format->fields[i].encoding, data + at, len - at, &value_len))
			return "a field does not hold a value of its encoding";
		if (values != NULL)
		{
			values[i].data = data + at;
			values[i].len = value_len;
		}
		at += value_len;
	}
	*used = at;
	return NULL;
}

/* Checks an entry; *commitments: those of its groups. */
const char *
entry_check(const Format *format, uint64_t seq, const uint8_t *entry, size_t len,
			Value *values, const uint8_t **commitments)
{
	size_t		used;
	const char *problem;

	if (len < 19 || entry[0] != ENTRY_VERSION)
		return "the entry is not of version 1";
	if (entry[1] != format->code || entry[2] != format->version)
		return "the entry is of another log or format";
	if (get_uint(entry + 3, 8) != seq)
		return "the entry has another number";
	problem = fields_parse(format, 0, entry + 19, len - 19, &used, values);
	if (problem != NULL)
		return problem;
	if (len - 19 - used != (size_t) format->ngroups * HASH_LENGTH)
		return "the entry is too short or too long";
	*commitments = entry + 19 + used;
	return NULL;
}

/* Checks a record's payload against its commitments; erased[g]: nothing is left of it. */
const char *
payload_check(const Format *format, const uint8_t *payload, size_t len,
			  const uint8_t *commitments, Value *values, bool *erased)
{
	size_t		at = 0;

	for (int g = 1; g <= format->ngroups; g++)
	{
		uint8_t		digest[HASH_LENGTH];
		uint8_t		group = (uint8_t) g;
		size_t		fields_len;
		size_t		used;
		const char *problem;

		if (at >= len)
			return "the payload is cut off";
		erased[g] = payload[at] == 1;
		if (payload[at] > 1)
			return "the payload is not well formed";
		at++;
		if (erased[g])
			continue;
		if (len - at < SALT_LENGTH + 4 || get_uint(payload + at + SALT_LENGTH, 4) > len - at - SALT_LENGTH - 4)
			return "the payload is cut off";
		fields_len = (size_t) get_uint(payload + at + SALT_LENGTH, 4);
		sha256(digest, 4, "\x02", (size_t) 1, payload + at, (size_t) SALT_LENGTH, &group, (size_t) 1,
			   payload + at + SALT_LENGTH + 4, fields_len);
		if (memcmp(digest, commitments + (size_t) (g - 1) * HASH_LENGTH, HASH_LENGTH) != 0)
			return "what the payload says is not what was committed to";
		problem = fields_parse(format, g, payload + at + SALT_LENGTH + 4, fields_len, &used, values);
		if (problem != NULL || used != fields_len)
			return problem != NULL ? problem : "the payload holds more than its fields";
		at += SALT_LENGTH + 4 + fields_len;
	}
	return at == len ? NULL : "the payload is too long";
}
