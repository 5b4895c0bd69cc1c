/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Signed notes (C2SP signed-note), checkpoints (tlog-checkpoint) and
 *	  cosignatures (tlog-cosignature): written, read, verified.
 *
 * What is read comes from strangers.  The parser takes one spelling of each
 * thing and answers with what is wrong, in words.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "ledger/note.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#define DASH			"\342\200\224 " /* U+2014 and a space */
#define MAX_NOTE		1000000 /* bytes */
#define MAX_SIGNATURES	100
#define MAX_NAME		1000	/* bytes */

/*
 * Notes are UTF-8, and kept as bytes.  Can they be text in this database?  All
 * their characters are ASCII but for the dash, and names of witnesses.
 */
bool
note_is_text(void)
{
	int			encoding = GetDatabaseEncoding();
	unsigned char converted[64];
	Oid			conversion;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return true;
	conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	return OidIsValid(conversion) &&
		pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, (unsigned char *) DASH, sizeof(DASH) - 1,
									  converted, sizeof(converted), true) == sizeof(DASH) - 1;
}

/* A note as text of this database; raises where it has no dash. */
text *
note_to_text(const char *note)
{
	if (!note_is_text())
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("a signed note cannot be text in encoding \"%s\" of this database", GetDatabaseEncodingName()),
				 errdetail("Its signatures begin with the character U+2014."),
				 errhint("Ask for its bytes, with checkpoint_bytes(log) or inclusion_proof_bytes(log, seq).")));
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return cstring_to_text(note);
	return cstring_to_text(pg_any_to_server(note, strlen(note), PG_UTF8));
}

/* What was given as text of this database, in UTF-8; *len is its length. */
char *
note_from_text(const char *given, Size *len)
{
	char	   *converted = (char *) given;

	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
	{
		converted = pg_server_to_any(given, (int) *len, PG_UTF8);
		if (converted != given)
			*len = strlen(converted);
	}
	return converted;
}

/* Is it a name of a key: no space, no "+", no control character? */
bool
note_name_is_good(const char *name, Size len)
{
	if (len == 0 || len > MAX_NAME || !pg_verify_mbstr(PG_UTF8, name, (int) len, true))
		return false;
	for (Size i = 0; i < len; i++)
		if ((unsigned char) name[i] <= ' ' || name[i] == '+' || name[i] == 0x7f)
			return false;
	return true;
}

/* The id of a key, four bytes. */
void
note_key_id(const char *name, uint8 type, const uint8 *public_key, uint8 *id)
{
	StringInfoData data;
	uint8		digest[CRYPTO_SHA256_LENGTH];

	initStringInfo(&data);
	appendStringInfo(&data, "%s\n", name);
	appendStringInfoChar(&data, (char) type);
	appendBinaryStringInfo(&data, (const char *) public_key, CRYPTO_PUBLIC_KEY_LENGTH);
	crypto_sha256(data.data, data.len, digest);
	memcpy(id, digest, NOTE_KEY_ID_LENGTH);
	pfree(data.data);
}

/* The text by which verifiers are given a key. */
char *
note_verifier_key(const char *name, uint8 type, const uint8 *public_key)
{
	uint8		typed[1 + CRYPTO_PUBLIC_KEY_LENGTH];
	uint8		id[NOTE_KEY_ID_LENGTH];

	note_key_id(name, type, public_key, id);
	typed[0] = type;
	memcpy(typed + 1, public_key, CRYPTO_PUBLIC_KEY_LENGTH);
	return psprintf("%s+%02x%02x%02x%02x+%s", name, id[0], id[1], id[2], id[3],
					base64_encode(typed, sizeof(typed)));
}

/* Reads a verifier's key.  Returns what is wrong, NULL where nothing is. */
const char *
note_parse_key(const char *text, NoteKey *key)
{
	const char *plus = strchr(text, '+');
	const char *second = plus == NULL ? NULL : strchr(plus + 1, '+');
	uint8	   *typed;
	Size		len;
	char		hex[2 * NOTE_KEY_ID_LENGTH + 1];

	if (second == NULL || second - plus - 1 != 2 * NOTE_KEY_ID_LENGTH)
		return "it is not of the form NAME+ID+KEY";
	if (!note_name_is_good(text, plus - text))
		return "its name is empty, too long, or has spaces or control characters";
	if (!base64_decode(second + 1, strlen(second + 1), &typed, &len) ||
		len != 1 + CRYPTO_PUBLIC_KEY_LENGTH ||
		(typed[0] != NOTE_ED25519 && typed[0] != NOTE_COSIGNATURE))
		return "it holds no Ed25519 key";
	key->name = pnstrdup(text, plus - text);
	key->type = typed[0];
	memcpy(key->public_key, typed + 1, CRYPTO_PUBLIC_KEY_LENGTH);
	note_key_id(key->name, key->type, key->public_key, key->id);
	snprintf(hex, sizeof(hex), "%02x%02x%02x%02x", key->id[0], key->id[1], key->id[2], key->id[3]);
	if (strncmp(plus + 1, hex, 2 * NOTE_KEY_ID_LENGTH) != 0)
		return "its id is not that of its name and key";
	return NULL;
}

/* A signature line, with its line feed. */
char *
note_signature_line(const char *name, const uint8 *id, const void *payload, Size len)
{
	uint8	   *bytes = palloc(NOTE_KEY_ID_LENGTH + len);

	memcpy(bytes, id, NOTE_KEY_ID_LENGTH);
	memcpy(bytes + NOTE_KEY_ID_LENGTH, payload, len);
	return psprintf(DASH "%s %s\n", name, base64_encode(bytes, NOTE_KEY_ID_LENGTH + len));
}

/* Reads one signature line, without its line feed. */
static const char *
parse_signature(const char *line, Size len, List **signatures)
{
	NoteSignature *signature = palloc0(sizeof(NoteSignature));
	const char *end = line + len;
	const char *space;
	uint8	   *bytes;
	Size		n;

	if (len < sizeof(DASH) - 1 || memcmp(line, DASH, sizeof(DASH) - 1) != 0)
		return "a signature line does not begin with a dash and a space";
	line += sizeof(DASH) - 1;
	space = memchr(line, ' ', end - line);
	if (space == NULL || !note_name_is_good(line, space - line))
		return "a signature line has no good name";
	if (!base64_decode(space + 1, end - space - 1, &bytes, &n) || n <= NOTE_KEY_ID_LENGTH)
		return "a signature is not base64, or too short";
	if (list_length(*signatures) >= MAX_SIGNATURES)
		return "it has more than 100 signatures";
	signature->name = pnstrdup(line, space - line);
	memcpy(signature->id, bytes, NOTE_KEY_ID_LENGTH);
	signature->payload = bytes + NOTE_KEY_ID_LENGTH;
	signature->len = n - NOTE_KEY_ID_LENGTH;
	*signatures = lappend(*signatures, signature);
	return NULL;
}

/* Reads a signed note.  Returns what is wrong, NULL where nothing is. */
const char *
note_parse(const char *text, Size len, Note *note)
{
	const char *split = NULL;
	const char *end = text +len;

	memset(note, 0, sizeof(*note));
	if (len == 0 || len > MAX_NOTE)
		return "it is empty, or longer than 1,000,000 bytes";
	if (!pg_verify_mbstr(PG_UTF8, text, (int) len, true))
		return "it is not UTF-8";
	if (text[len - 1] != '\n')
		return "it does not end with a line feed";
	for (const char *p = text; p < end; p++)
		if (((unsigned char) *p < ' ' && *p != '\n') || *p == 0x7f)
			return "it has control characters";

	/* the last empty line parts the text from the signatures */
	for (const char *p = text; p + 1 < end; p++)
		if (p[0] == '\n' && p[1] == '\n')
			split = p;
	if (split == NULL || split + 2 == end)
		return "it has no signature";
	note->len = split + 1 - text;

	note->text = pnstrdup(text, note->len);
	for (const char *line = split + 2; line < end;)
	{
		const char *eol = memchr(line, '\n', end - line);
		const char *problem = parse_signature(line, eol - line, &note->signatures);

		if (problem != NULL)
			return problem;
		line = eol + 1;
	}
	return NULL;
}

/* Did the key's owner sign the note?  *time is when, for a cosignature. */
NoteVerdict
note_check(const Note *note, const NoteKey *key, uint64 *time)
{
	NoteVerdict verdict = NOTE_UNSIGNED;
	ListCell   *lc;

	foreach(lc, note->signatures)
	{
		NoteSignature *signature = lfirst(lc);
		bool		good;

		if (memcmp(signature->id, key->id, NOTE_KEY_ID_LENGTH) != 0 ||
			strcmp(signature->name, key->name) != 0)
			continue;
		if (verdict != NOTE_UNSIGNED)
			return NOTE_FORGED;
		if (key->type == NOTE_ED25519)
			good = signature->len == CRYPTO_SIGNATURE_LENGTH &&
				crypto_verify_ed25519(key->public_key, note->text, note->len, signature->payload);
		else if (signature->len != 8 + CRYPTO_SIGNATURE_LENGTH)
			good = false;
		else
		{
			StringInfoData message;

			*time = get_int64(signature->payload);
			initStringInfo(&message);
			appendStringInfo(&message, "cosignature/v1\ntime " UINT64_FORMAT "\n", *time);
			appendBinaryStringInfo(&message, note->text, note->len);
			good = crypto_verify_ed25519(key->public_key, message.data, message.len,
										 signature->payload + 8);
			pfree(message.data);
		}
		verdict = good ? NOTE_GOOD : NOTE_FORGED;
		if (!good)
			return verdict;
	}
	return verdict;
}

/* Reads the decimal number of a line; false where it has another spelling. */
static bool
parse_size(const char *text, Size len, uint64 *value)
{
	*value = 0;
	if (len == 0 || len > 19 || (text[0] == '0' && len > 1))
		return false;
	for (Size i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (text[i] - '0');
	}
	return *value <= PG_INT64_MAX;
}

/* Reads the text of a checkpoint.  Returns what is wrong, NULL where nothing is. */
const char *
checkpoint_parse(const Note *note, Checkpoint *checkpoint)
{
	const char *end = note->text +note->len;
	const char *line[3];
	Size		len[3];
	const char *p = note->text;
	uint8	   *root;
	Size		n;

	for (int i = 0; i < 3; i++)
	{
		const char *eol = p < end ? memchr(p, '\n', end - p) : NULL;

		if (eol == NULL)
			return "a checkpoint has three lines at least";
		line[i] = p;
		len[i] = eol - p;
		p = eol + 1;
	}
	if (len[0] == 0)
		return "its origin is empty";
	if (!parse_size(line[1], len[1], &checkpoint->size))
		return "its size is not a decimal number";
	if (!base64_decode(line[2], len[2], &root, &n) || n != LEDGER_HASH_LENGTH)
		return "its root is not 32 bytes in base64";
	/* extension lines are not empty */
	for (; p < end; p++)
		if (*p == '\n' && p[-1] == '\n')
			return "it has an empty line";
	checkpoint->origin = pnstrdup(line[0], len[0]);
	memcpy(checkpoint->root, root, LEDGER_HASH_LENGTH);
	return NULL;
}
