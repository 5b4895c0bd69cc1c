/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Signed notes, checkpoints and keys (C2SP signed-note, tlog-checkpoint,
 *	  tlog-cosignature).
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <stdlib.h>
#include <string.h>

#define SIGNATURE_START "\xe2\x80\x94 "

/* Is it a name: not empty, without space, plus and control characters? */
static bool
is_name(const char *text, size_t len)
{
	if (len == 0 || len > MAX_NAME)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char) text[i] <= ' ' || text[i] == '+' || text[i] == 0x7f)
			return false;
	return true;
}

static char *
copy_text(const char *text, size_t len)
{
	char	   *copy = allocate(len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

/* The first 4 bytes of SHA-256(name | 0x0a | type | public key) */
static void
key_id(const char *name, size_t name_len, uint8_t type, const uint8_t *public_key, uint8_t *id)
{
	uint8_t		digest[HASH_LENGTH];

	sha256(digest, 4, name, name_len, "\n", (size_t) 1, &type, (size_t) 1, public_key, (size_t) 32);
	memcpy(id, digest, 4);
}

/* Adds a verifier key, name+id+base64(type | key). */
bool
keys_add(Keys *keys, const char *text, size_t len, const char **problem)
{
	const char *plus = memchr(text, '+', len);
	size_t		name_len = plus == NULL ? 0 : (size_t) (plus - text);
	uint8_t		data[33];
	uint8_t		given[4] = {0};
	size_t		data_len;
	Key			key;

	*problem = "it is no verifier key";
	if (plus == NULL || !is_name(text, name_len) || len < name_len + 10 || text[name_len + 9] != '+')
		return false;
	for (int i = 0; i < 8; i++)
	{
		char		c = text[name_len + 1 + (size_t) i];
		int			digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (digit < 0)
			return false;
		given[i / 2] = (uint8_t) (given[i / 2] << 4 | digit);
	}
	if (!base64_decode(text + name_len + 10, len - name_len - 10, data, sizeof(data), &data_len) ||
		data_len != sizeof(data))
		return false;
	key.type = data[0];
	memcpy(key.public_key, data + 1, 32);
	if (key.type != KEY_ED25519 && key.type != KEY_COSIGNATURE)
	{
		*problem = "it is of a type other than Ed25519 (01) and cosignature/v1 (04)";
		return false;
	}
	key_id(text, name_len, key.type, key.public_key, key.id);
	if (memcmp(key.id, given, 4) != 0)
	{
		*problem = "its id is not that of its name and key";
		return false;
	}
	key.name = copy_text(text, name_len);
	keys->keys = reallocate(keys->keys, (size_t) (keys->n + 1) * sizeof(Key));
	keys->keys[keys->n++] = key;
	return true;
}

/* The key of that name and id; NULL where it is not known. */
static const Key *
find_key(const Keys *keys, const char *name, size_t name_len, const uint8_t *id)
{
	for (int i = 0; i < keys->n; i++)
		if (strlen(keys->keys[i].name) == name_len && memcmp(keys->keys[i].name, name, name_len) == 0 &&
			memcmp(keys->keys[i].id, id, 4) == 0)
			return &keys->keys[i];
	return NULL;
}

/* Does the signature hold for the signed text? */
static bool
signature_holds(const Key *key, const char *text, size_t text_len, const uint8_t *payload, size_t payload_len)
{
	char		head[64];
	size_t		head_len;
	char	   *message;
	bool		ok;

	if (key->type == KEY_ED25519)
		return payload_len == 64 && ed25519_verify(key->public_key, text, text_len, payload);
	if (payload_len != 72)
		return false;
	head_len = (size_t) snprintf(head, sizeof(head), "cosignature/v1\ntime %llu\n",
								 (unsigned long long) get_uint(payload, 8));
	message = allocate(head_len + text_len);
	memcpy(message, head, head_len);
	memcpy(message + head_len, text, text_len);
	ok = ed25519_verify(key->public_key, message, head_len + text_len, payload + 8);
	free(message);
	return ok;
}

/* Takes one line off the text, without its end; false where there is none. */
static bool
next_line(const char **at, const char *end, const char **line, size_t *len)
{
	const char *newline = memchr(*at, '\n', (size_t) (end - *at));

	if (newline == NULL)
		return false;
	*line = *at;
	*len = (size_t) (newline - *at);
	*at = newline + 1;
	return true;
}

/* Reads origin, size and root of a checkpoint's text. */
static bool
read_body(const char *text, size_t text_len, Checkpoint *checkpoint)
{
	const char *at = text;
	const char *end = text + text_len;
	const char *line;
	size_t		len;
	size_t		root_len;

	if (!next_line(&at, end, &line, &len) || !is_name(line, len))
		return false;
	checkpoint->origin = copy_text(line, len);
	if (!next_line(&at, end, &line, &len) || !parse_decimal(line, len, &checkpoint->size))
		return false;
	if (!next_line(&at, end, &line, &len) ||
		!base64_decode(line, len, checkpoint->root, HASH_LENGTH, &root_len) || root_len != HASH_LENGTH)
		return false;
	while (at < end)
		if (!next_line(&at, end, &line, &len) || len == 0)
			return false;
	return true;
}

/*
 * Reads a checkpoint; false, with the problem, unless it is well formed, a known
 * key of the log has signed it under its origin, and no known key's signature
 * is wrong.
 */
bool
checkpoint_read(const char *note, size_t len, const Keys *log_keys, const Keys *witnesses,
				Checkpoint *checkpoint, const char **problem)
{
	const char *end = note + len;
	const char *text_end = NULL;
	const char *at;
	const char *line;
	size_t		line_len;
	bool		signed_by_log = false;
	int			nsignatures = 0;
	const Key  *seen[MAX_SIGNATURES];
	int			nseen = 0;

	memset(checkpoint, 0, sizeof(Checkpoint));
	*problem = "it is not well formed";
	if (len > MAX_NOTE || memchr(note, '\0', len) != NULL)
		return false;

	/* the signatures stand behind the last empty line */
	for (const char *p = note; p + 1 < end; p++)
		if (p[0] == '\n' && p[1] == '\n')
			text_end = p + 1;
	if (text_end == NULL || !read_body(note, (size_t) (text_end - note), checkpoint))
		return false;

	at = text_end + 1;
	while (at < end)
	{
		size_t		start_len = strlen(SIGNATURE_START);
		uint8_t		data[4 + 200];
		size_t		data_len;
		const char *space;
		const Key  *key;

		*problem = "it is not well formed";
		if (!next_line(&at, end, &line, &line_len) || ++nsignatures > MAX_SIGNATURES ||
			line_len < start_len || memcmp(line, SIGNATURE_START, start_len) != 0)
			return false;
		line += start_len;
		line_len -= start_len;
		space = memchr(line, ' ', line_len);
		if (space == NULL || !is_name(line, (size_t) (space - line)) ||
			!base64_decode(space + 1, line_len - (size_t) (space - line) - 1, data, sizeof(data), &data_len) ||
			data_len < 5)
			return false;
		key = find_key(log_keys, line, (size_t) (space - line), data);
		if (key == NULL)
			key = find_key(witnesses, line, (size_t) (space - line), data);
		if (key == NULL)
			continue;
		for (int i = 0; i < nseen; i++)
			if (seen[i] == key)
			{
				*problem = "a key has signed it twice";
				return false;
			}
		seen[nseen++] = key;
		if (!signature_holds(key, note, (size_t) (text_end - note), data + 4, data_len - 4))
		{
			*problem = key->type == KEY_ED25519 ? "its signature is wrong" : "the cosignature of a witness is wrong";
			return false;
		}
		if (key->type == KEY_COSIGNATURE)
			checkpoint->cosignatures++;
		else if (strcmp(key->name, checkpoint->origin) == 0)
			signed_by_log = true;
	}
	if (nsignatures == 0)
		return false;
	if (!signed_by_log)
	{
		*problem = "no known key of the log has signed it";
		return false;
	}
	return true;
}
