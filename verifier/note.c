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

/* Is it UTF-8, and without control characters but the end of a line? */
static bool
is_note_text(const char *text, size_t len)
{
	const uint8_t *at = (const uint8_t *) text;
	const uint8_t *end = at + len;

	while (at < end)
	{
		uint32_t	c = *at++;
		int			more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

		if ((c < ' ' && c != '\n') || (c >= 0x80 && c < 0xc2) || c > 0xf4 || end - at < more)
			return false;
		if (more > 0)
			c &= 0x3fu >> more;
		for (int i = 0; i < more; i++, at++)
		{
			if ((*at & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*at & 0x3f);
		}
		if (c < least[more] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
			return false;
	}
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

/*
 * Adds a verifier key, name+id+base64(type | key).  It must be of the type that
 * is wanted: the key of a witness never signs for a log, nor the other way.
 */
bool
keys_add(Keys *keys, uint8_t type, const char *text, size_t len, const char **problem)
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
	if (key.type != type)
	{
		*problem = type == KEY_ED25519 ? "it is of another type than Ed25519 (01)" :
			"it is of another type than cosignature/v1 (04)";
		return false;
	}
	key_id(text, name_len, key.type, key.public_key, key.id);
	if (memcmp(key.id, given, 4) != 0)
	{
		*problem = "its id is not that of its name and key";
		return false;
	}
	key.name = copy_text(text, name_len);
	key.cosigned = 0;
	key.has_cosigned = false;
	keys->keys = reallocate(keys->keys, (size_t) (keys->n + 1) * sizeof(Key));
	keys->keys[keys->n++] = key;
	return true;
}

/* The key of that name and id; NULL where it is not known. */
static Key *
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
 * Reads a line of signature; false where it is none.  *key: the key that it is
 * of, NULL where that is not known; data: room for key id and signature.
 */
static bool
read_signature(const char *line, size_t len, const Keys *log_keys, const Keys *witnesses,
			   Key **key, uint8_t *data, size_t *data_len)
{
	size_t		start_len = strlen(SIGNATURE_START);
	const char *space;
	size_t		name_len;

	if (len < start_len || memcmp(line, SIGNATURE_START, start_len) != 0)
		return false;
	line += start_len;
	len -= start_len;
	space = memchr(line, ' ', len);
	if (space == NULL)
		return false;
	name_len = (size_t) (space - line);
	if (!is_name(line, name_len) ||
		!base64_decode(space + 1, len - name_len - 1, data, len, data_len) || *data_len < 5)
		return false;
	*key = find_key(log_keys, line, name_len, data);
	if (*key == NULL)
		*key = find_key(witnesses, line, name_len, data);
	return true;
}

/* Checks the lines of signature from at to end under the text; returns the problem, or NULL. */
static const char *
check_signatures(const char *text, size_t text_len, const char *at, const char *end,
				 const Keys *log_keys, const Keys *witnesses, const Checkpoint *checkpoint, uint8_t *data)
{
	const char *line;
	size_t		len;
	bool		signed_by_log = false;
	int			nsignatures = 0;
	Key		   *seen[MAX_SIGNATURES];
	int			nseen = 0;

	while (at < end)
	{
		size_t		data_len;
		Key		   *key;

		if (!next_line(&at, end, &line, &len) || ++nsignatures > MAX_SIGNATURES ||
			!read_signature(line, len, log_keys, witnesses, &key, data, &data_len))
			return "it is not well formed";
		if (key == NULL)
			continue;
		for (int i = 0; i < nseen; i++)
			if (seen[i] == key)
				return "a key has signed it twice";
		seen[nseen++] = key;
		if (!signature_holds(key, text, text_len, data + 4, data_len - 4))
			return key->type == KEY_ED25519 ? "its signature is wrong" : "the cosignature of a witness is wrong";
		if (key->type == KEY_ED25519 && strcmp(key->name, checkpoint->origin) == 0)
			signed_by_log = true;
	}
	if (nsignatures == 0)
		return "it is not well formed";
	if (!signed_by_log)
		return "no known key of the log has signed it";
	for (int i = 0; i < nseen; i++)
	{
		if (seen[i]->type == KEY_COSIGNATURE &&
			(!seen[i]->has_cosigned || seen[i]->cosigned < checkpoint->size))
		{
			seen[i]->has_cosigned = true;
			seen[i]->cosigned = checkpoint->size;
		}
	}
	return NULL;
}

/*
 * Reads a checkpoint; false, with the problem, unless it is well formed, a known
 * key of the log has signed it under its origin, which is one of the log (NULL:
 * of any), and no known key's signature is wrong.
 */
bool
checkpoint_read(const char *note, size_t len, const char *log, const Keys *log_keys, const Keys *witnesses,
				Checkpoint *checkpoint, const char **problem)
{
	const char *text_end = NULL;
	const char *slash;
	uint8_t    *data;

	memset(checkpoint, 0, sizeof(Checkpoint));
	*problem = "it is not well formed";
	if (len > MAX_NOTE || !is_note_text(note, len))
		return false;

	/* the signatures stand behind the last empty line */
	for (size_t i = 0; i + 1 < len; i++)
		if (note[i] == '\n' && note[i + 1] == '\n')
			text_end = note + i + 1;
	if (text_end == NULL || !read_body(note, (size_t) (text_end - note), checkpoint))
		return false;
	slash = strrchr(checkpoint->origin, '/');
	if (log != NULL && (slash == NULL || strcmp(slash + 1, log) != 0))
	{
		*problem = "it is of another log";
		return false;
	}

	data = allocate(len);
	*problem = check_signatures(note, (size_t) (text_end - note), text_end + 1, note + len,
								log_keys, witnesses, checkpoint, data);
	free(data);
	return *problem == NULL;
}
