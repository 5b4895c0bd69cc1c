/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Just enough JSON (RFC 8259) to read log.json and what change_log says of
 *	  logs.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64

typedef struct Reader
{
	const char *at;
	const char *end;
	int			depth;
} Reader;

static bool read_value(Reader *reader, Json *json);

static void
skip_space(Reader *reader)
{
	while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL && *reader->at != '\0')
		reader->at++;
}

static bool
take(Reader *reader, char c)
{
	skip_space(reader);
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

/* A code point as UTF-8. */
static size_t
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80)
	{
		out[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		out[0] = (char) (0xc0 | c >> 6);
		out[1] = (char) (0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000)
	{
		out[0] = (char) (0xe0 | c >> 12);
		out[1] = (char) (0x80 | (c >> 6 & 0x3f));
		out[2] = (char) (0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | c >> 18);
	out[1] = (char) (0x80 | (c >> 12 & 0x3f));
	out[2] = (char) (0x80 | (c >> 6 & 0x3f));
	out[3] = (char) (0x80 | (c & 0x3f));
	return 4;
}

static bool
read_hex4(Reader *reader, uint32_t *value)
{
	*value = 0;
	if (reader->end - reader->at < 4)
		return false;
	for (int i = 0; i < 4; i++)
	{
		char		c = *reader->at++;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint32_t) (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*value = *value << 4 | (uint32_t) ((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* A string, behind its opening quote. */
static bool
read_string(Reader *reader, char **string)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *end = reader->at;
	char	   *out;
	size_t		n = 0;

	/* it gets no longer by being read */
	while (end < reader->end && *end != '"')
		end += *end == '\\' && end + 1 < reader->end ? 2 : 1;
	out = allocate((size_t) (end - reader->at) + 1);

	while (reader->at < reader->end && *reader->at != '"')
	{
		char		c = *reader->at++;
		const char *escape;

		if ((unsigned char) c < 0x20)
			break;
		if (c != '\\')
		{
			out[n++] = c;
			continue;
		}
		if (reader->at == reader->end)
			break;
		c = *reader->at++;
		if (c == 'u')
		{
			uint32_t	code;
			uint32_t	low;

			if (!read_hex4(reader, &code) || code == 0)
				break;
			if (code >= 0xd800 && code < 0xdc00)
			{
				if (reader->end - reader->at < 6 || memcmp(reader->at, "\\u", 2) != 0)
					break;
				reader->at += 2;
				if (!read_hex4(reader, &low) || low < 0xdc00 || low > 0xdfff)
					break;
				code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
			}
			n += put_utf8(out + n, code);
			continue;
		}
		escape = c == '\0' ? NULL : strchr(escapes, c);
		if (escape == NULL)
			break;
		out[n++] = meanings[escape - escapes];
	}
	if (reader->at == reader->end || *reader->at != '"')
	{
		free(out);
		return false;
	}
	reader->at++;
	out[n] = '\0';
	*string = out;
	return true;
}

/* The elements of an array, or the members of an object. */
static bool
read_items(Reader *reader, Json *json, char close)
{
	if (take(reader, close))
		return true;
	do
	{
		/* room for twice as many at each power of two */
		if ((json->n & (json->n + 1)) == 0)
			json->items = reallocate(json->items, (size_t) (2 * json->n + 2) * sizeof(Json));
		memset(&json->items[json->n], 0, sizeof(Json));
		if (json->type == JSON_OBJECT)
		{
			if ((json->n & (json->n + 1)) == 0)
				json->names = reallocate(json->names, (size_t) (2 * json->n + 2) * sizeof(char *));
			json->names[json->n] = NULL;
			if (!take(reader, '"') || !read_string(reader, &json->names[json->n]))
				return false;
		}
		json->n++;
		if (json->type == JSON_OBJECT && !take(reader, ':'))
			return false;
		if (!read_value(reader, &json->items[json->n - 1]))
			return false;
	} while (take(reader, ','));
	return take(reader, close);
}

/* Takes digits; false where there are none. */
static bool
take_digits(Reader *reader)
{
	const char *start = reader->at;

	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
		reader->at++;
	return reader->at > start;
}

/* Takes one of these characters, if it stands there. */
static bool
take_one(Reader *reader, const char *set)
{
	if (reader->at == reader->end || *reader->at == '\0' || strchr(set, *reader->at) == NULL)
		return false;
	reader->at++;
	return true;
}

static bool
read_number(Reader *reader, Json *json)
{
	const char *start = reader->at;
	const char *digits;

	(void) take_one(reader, "-");
	digits = reader->at;
	if (!take_digits(reader) || (*digits == '0' && reader->at > digits + 1))
		return false;
	if (take_one(reader, ".") && !take_digits(reader))
		return false;
	if (take_one(reader, "eE"))
	{
		(void) take_one(reader, "+-");
		if (!take_digits(reader))
			return false;
	}
	json->type = JSON_NUMBER;
	json->text = allocate((size_t) (reader->at - start) + 1);
	memcpy(json->text, start, (size_t) (reader->at - start));
	json->text[reader->at - start] = '\0';
	return true;
}

static bool
read_value(Reader *reader, Json *json)
{
	static const char *const words[] = {"null", "true", "false"};
	bool		ok;

	if (++reader->depth > MAX_DEPTH)
		return false;
	if (take(reader, '{') || take(reader, '['))
	{
		json->type = reader->at[-1] == '{' ? JSON_OBJECT : JSON_ARRAY;
		ok = read_items(reader, json, json->type == JSON_OBJECT ? '}' : ']');
		reader->depth--;
		return ok;
	}
	reader->depth--;
	if (take(reader, '"'))
	{
		json->type = JSON_STRING;
		return read_string(reader, &json->text);
	}
	for (int i = 0; i < 3; i++)
	{
		size_t		len = strlen(words[i]);

		if ((size_t) (reader->end - reader->at) >= len && memcmp(reader->at, words[i], len) == 0)
		{
			json->type = i == 0 ? JSON_NULL : JSON_BOOL;
			reader->at += len;
			return true;
		}
	}
	return read_number(reader, json);
}

/* Reads a text that is one JSON value; false where it is none. */
bool
json_parse(const char *text, size_t len, Json *json)
{
	Reader		reader = {text, text + len, 0};

	memset(json, 0, sizeof(Json));
	if (read_value(&reader, json))
	{
		skip_space(&reader);
		if (reader.at == reader.end)
			return true;
	}
	json_free(json);
	return false;
}

/* A member of an object; NULL where there is none, or more than one. */
const Json *
json_member(const Json *json, const char *name)
{
	const Json *found = NULL;

	if (json == NULL || json->type != JSON_OBJECT)
		return NULL;
	for (int i = 0; i < json->n; i++)
		if (strcmp(json->names[i], name) == 0)
		{
			if (found != NULL)
				return NULL;
			found = &json->items[i];
		}
	return found;
}

/* Is it a number without sign, point and exponent? */
bool
json_uint(const Json *json, uint64_t *value)
{
	return json != NULL && json->type == JSON_NUMBER &&
		parse_decimal(json->text, strlen(json->text), value);
}

void
json_free(Json *json)
{
	for (int i = 0; i < json->n; i++)
	{
		json_free(&json->items[i]);
		if (json->names != NULL)
			free(json->names[i]);
	}
	free(json->text);
	free(json->names);
	free(json->items);
	memset(json, 0, sizeof(Json));
}
