-- common: checks of values that the tables and functions of every room share.

CREATE FUNCTION steward.check_text(what text, value text, max_length integer, required boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF value IS NULL THEN
        IF required THEN
            RAISE EXCEPTION '% must not be null', what
                USING ERRCODE = 'null_value_not_allowed',
                      HINT = pg_catalog.format('Give a text of 1 to %s characters.', max_length);
        END IF;
        RETURN;
    END IF;
    IF pg_catalog.length(value) > max_length THEN
        RAISE EXCEPTION '% is too long (% characters)', what, pg_catalog.length(value)
            USING ERRCODE = 'string_data_right_truncation',
                  HINT = pg_catalog.format('Give at most %s characters.', max_length);
    END IF;
    IF pg_catalog.btrim(value) = '' THEN
        RAISE EXCEPTION '% must not be empty', what
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = CASE WHEN required
                      THEN pg_catalog.format('Give a text of 1 to %s characters.', max_length)
                      ELSE 'Give a text, or NULL where there is nothing to say.' END;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.check_text(text, text, integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION steward.check_text(text, text, integer, boolean) IS
    'raises null_value_not_allowed for a required text that is NULL, invalid_parameter_value for an empty one, string_data_right_truncation for one of more than max_length characters; what names the value in the message';

CREATE FUNCTION steward.check_name(what text, value text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    PERFORM steward.check_text(what, value, 200);
    IF value <> pg_catalog.btrim(value) OR value ~ '[\x01-\x1f\x7f]' THEN
        RAISE EXCEPTION '% must not begin or end with a space nor hold control characters', what
            USING ERRCODE = 'invalid_name',
                  HINT = 'Names are compared letter by letter: write it as it is to be looked up.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.check_name(text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.check_name(text, text) IS
    'check_text() of 200 characters; raises invalid_name for spaces at an end and for control characters';

CREATE FUNCTION steward.refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of "%.%" is refused: its rows never change', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = TG_ARGV[0],
              SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
END
$$;
REVOKE ALL ON FUNCTION steward.refuse_change() FROM PUBLIC;
COMMENT ON FUNCTION steward.refuse_change() IS
    'trigger of append-only tables: raises insufficient_privilege for everybody, superusers too; its argument is the hint';
