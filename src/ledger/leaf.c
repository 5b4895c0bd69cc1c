/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  What a leaf of the tree holds of a record: docs/leaf-encoding.md.
 *
 * Plain fields stand in the entry themselves.  Of each further group stands a
 * commitment there, a hash of its fields and of a salt.  Fields and salt can be
 * erased; the commitment then stays, in column "erased", and the entry is what
 * it always was.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ledger/ledger_internal.h"

#define TAG_LEAF		0x00
#define TAG_COMMITMENT	0x02
#define TAG_SALT		0x03

#define GROUP_KEPT		0
#define GROUP_ERASED	1

/* The salt of a group. */
void
leaf_salt(const uint8 *seed, int group, uint8 *salt)
{
	uint8		data[1 + LEDGER_SEED_LENGTH + 1];
	uint8		digest[CRYPTO_SHA256_LENGTH];

	data[0] = TAG_SALT;
	memcpy(data + 1, seed, LEDGER_SEED_LENGTH);
	data[1 + LEDGER_SEED_LENGTH] = group;
	crypto_sha256(data, sizeof(data), digest);
	memcpy(salt, digest, LEDGER_SALT_LENGTH);
}

/* The commitment to the fields of a group. */
void
leaf_commitment(const uint8 *salt, int group, const void *fields, Size len, uint8 *commitment)
{
	uint8		head[1 + LEDGER_SALT_LENGTH + 1];

	head[0] = TAG_COMMITMENT;
	memcpy(head + 1, salt, LEDGER_SALT_LENGTH);
	head[1 + LEDGER_SALT_LENGTH] = group;
	crypto_sha256_pair(head, sizeof(head), fields, len, commitment);
}

/* Begins an entry: all that stands before logged_at. */
void
leaf_entry_begin(StringInfo entry, const LogFormat *format, uint64 seq)
{
	resetStringInfo(entry);
	appendStringInfoChar(entry, LEDGER_ENTRY_VERSION);
	appendStringInfoChar(entry, (char) format->code);
	appendStringInfoChar(entry, (char) format->version);
	put_int64(entry, (int64) seq);
}

/* Makes the leaf of a new record; raises where its entry is longer than entries may be. */
void
leaf_of_record(StringInfo work, const LogFormat *format, uint64 seq, const LogRecord *record,
			   const LogLayout *layout, const uint8 *seed, uint8 *hash)
{
	Size		plain = layout->start[1];
	Size		len = LEDGER_ENTRY_HEADER + plain + format->ngroups * LEDGER_HASH_LENGTH;
	uint64		number = pg_hton64(seq);
	uint8	   *next;
	uint8		head[1 + LEDGER_SEED_LENGTH + 1];
	uint8		salt[LEDGER_HASH_LENGTH];

	if (len > LEDGER_MAX_ENTRY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a record of log \"%s\" is too long", format->name),
				 errdetail("Its plain fields take %zu bytes; an entry takes at most %d.",
						   plain, LEDGER_MAX_ENTRY)));

	/* The entry stands behind the tag with which it is hashed. */
	resetStringInfo(work);
	enlargeStringInfo(work, 1 + len);
	next = (uint8 *) work->data;
	*next++ = TAG_LEAF;
	*next++ = LEDGER_ENTRY_VERSION;
	*next++ = format->code;
	*next++ = format->version;
	memcpy(next, &number, sizeof(number));
	next += sizeof(number);
	memcpy(next, record->data, plain);
	next += plain;

	memcpy(head + 1, seed, LEDGER_SEED_LENGTH);
	for (int g = 1; g <= format->ngroups; g++)
	{
		head[0] = TAG_SALT;
		head[1 + LEDGER_SEED_LENGTH] = g;
		crypto_sha256(head, sizeof(head), salt);
		leaf_commitment(salt, g, record->data + layout->start[g],
						layout->start[g + 1] - layout->start[g], next);
		next += LEDGER_HASH_LENGTH;
	}
	crypto_sha256(work->data, 1 + len, hash);
}

/* Takes the next group out of column "erased"; false where it is damaged. */
static bool
next_erased(const uint8 **next, const uint8 *end, bool *gone, const uint8 **bytes)
{
	Size		len;

	if (*next == end || **next > GROUP_ERASED)
		return false;
	*gone = **next == GROUP_ERASED;
	len = *gone ? LEDGER_HASH_LENGTH : LEDGER_SALT_LENGTH;
	if (end - *next - 1 < len)
		return false;
	*bytes = *next + 1;
	*next += 1 + len;
	return true;
}

/*
 * Makes the entry of a row, whole or partly erased.  Returns what is wrong
 * with the row, NULL where nothing is; *erased_groups gets one bit for each
 * erased group (bit 0: group 1).  work is a buffer of the caller's.
 */
const char *
leaf_entry_of_row(StringInfo entry, const LogColumns *columns,
				  const Datum *values, const bool *nulls,
				  uint32 *erased_groups, StringInfo work)
{
	const LogFormat *format = columns->format;
	bool		whole = !nulls[columns->salt - 1];
	bool		partly = !nulls[columns->erased - 1];
	const uint8 *seed = NULL;
	const uint8 *next = NULL;
	const uint8 *end = NULL;
	const char *problem;

	*erased_groups = 0;
	if (nulls[columns->seq - 1])
		return "seq is null";
	if (format->ngroups > 0 ? whole == partly : (whole || partly))
		return "salt and erased do not fit together";
	if (whole)
	{
		struct varlena *salt = PG_DETOAST_DATUM_PACKED(values[columns->salt - 1]);

		if (VARSIZE_ANY_EXHDR(salt) != LEDGER_SEED_LENGTH)
			return "salt is not 16 bytes long";
		seed = (const uint8 *) VARDATA_ANY(salt);
	}
	else if (partly)
	{
		struct varlena *erased = PG_DETOAST_DATUM_PACKED(values[columns->erased - 1]);

		next = (const uint8 *) VARDATA_ANY(erased);
		end = next + VARSIZE_ANY_EXHDR(erased);
	}

	leaf_entry_begin(entry, format, DatumGetInt64(values[columns->seq - 1]));
	problem = log_fields_encode(entry, columns, 0, values, nulls);
	for (int g = 1; g <= format->ngroups && problem == NULL; g++)
	{
		uint8		buf[LEDGER_HASH_LENGTH];
		const uint8 *commitment = buf;
		const uint8 *salt = buf;
		bool		gone = false;

		if (whole)
			leaf_salt(seed, g, buf);
		else if (!next_erased(&next, end, &gone, &salt))
			return "erased is damaged";
		if (gone)
		{
			*erased_groups |= 1 << (g - 1);
			commitment = salt;
			for (int i = 0; i < format->nfields; i++)
				if (format->fields[i].group == g && !nulls[columns->field[i] - 1])
					return psprintf("%s has a value, yet it was erased", format->fields[i].name);
		}
		else
		{
			resetStringInfo(work);
			problem = log_fields_encode(work, columns, g, values, nulls);
			leaf_commitment(salt, g, work->data, work->len, buf);
		}
		appendBinaryStringInfo(entry, (const char *) commitment, LEDGER_HASH_LENGTH);
	}
	if (problem == NULL && next != end)
		return "erased is damaged";
	if (problem == NULL && partly && *erased_groups == 0)
		return "erased says that nothing was erased";
	if (problem == NULL && entry->len > LEDGER_MAX_ENTRY)
		return "the entry is too long";
	return problem;
}

/* The hash of a leaf. */
void
leaf_hash(const void *entry, Size len, uint8 *hash)
{
	static const uint8 tag = TAG_LEAF;

	crypto_sha256_pair(&tag, 1, entry, len, hash);
}
