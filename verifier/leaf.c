/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  Entries of leaves, and the payloads that they commit to.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <string.h>

#define ENTRY_VERSION	1

/* Of all NaNs there is one only. */
static bool
is_float(uint64_t bits)
{
	return (bits & UINT64_C(0x7fffffffffffffff)) <= UINT64_C(0x7ff0000000000000) ||
		bits == UINT64_C(0x7ff8000000000000);
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
		case ENCODING_TIME:
			*value_len = 8;
			return len >= 8;
		case ENCODING_FLOAT:
			*value_len = 8;
			return len >= 8 && is_float(get_uint(data, 8));
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
