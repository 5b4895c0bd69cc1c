/*-------------------------------------------------------------------------
 *
 * note.h
 *	  Signed notes (C2SP signed-note, tlog-checkpoint, tlog-cosignature).
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_NOTE_H
#define STEWARD_NOTE_H

#include "ledger/ledger_internal.h"

#define NOTE_KEY_ID_LENGTH		4
#define NOTE_ED25519			0x01	/* types of keys */
#define NOTE_COSIGNATURE		0x04

typedef struct NoteKey
{
	char	   *name;
	uint8		type;
	uint8		id[NOTE_KEY_ID_LENGTH];
	uint8		public_key[CRYPTO_PUBLIC_KEY_LENGTH];
} NoteKey;

typedef struct NoteSignature
{
	char	   *name;
	uint8		id[NOTE_KEY_ID_LENGTH];
	uint8	   *payload;		/* after the key id */
	Size		len;
} NoteSignature;

typedef struct Note
{
	char	   *text;			/* what is signed */
	Size		len;
	List	   *signatures;		/* of NoteSignature */
} Note;

typedef struct Checkpoint
{
	char	   *origin;
	uint64		size;
	uint8		root[LEDGER_HASH_LENGTH];
} Checkpoint;

typedef enum NoteVerdict
{
	NOTE_UNSIGNED,				/* the key has no signature there */
	NOTE_GOOD,
	NOTE_FORGED					/* it has one that is wrong, or several */
} NoteVerdict;

extern bool note_is_text(void);
extern text *note_to_text(const char *note);
extern char *note_from_text(const char *given, Size *len);
extern bool note_name_is_good(const char *name, Size len);
extern void note_key_id(const char *name, uint8 type, const uint8 *public_key, uint8 *id);
extern char *note_verifier_key(const char *name, uint8 type, const uint8 *public_key);
extern const char *note_parse_key(const char *text, NoteKey *key);
extern char *note_signature_line(const char *name, const uint8 *id, const void *payload, Size len);
extern const char *note_parse(const char *text, Size len, Note *note);
extern NoteVerdict note_check(const Note *note, const NoteKey *key, uint64 *time);
extern const char *checkpoint_parse(const Note *note, Checkpoint *checkpoint);

#endif							/* STEWARD_NOTE_H */
