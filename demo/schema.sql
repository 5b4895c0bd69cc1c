-- The offline feature store: one typed column a feature, as Feast reads it.
-- Run as feature_pipeline, who owns it.  The online table is Feast's own and
-- comes from feast_format.py.
-- Copyright (c) 2026, the pg_steward authors

CREATE TABLE credit_features (
    applicant_id        bigint NOT NULL,
    event_timestamp     timestamptz NOT NULL,
    created             timestamptz NOT NULL,
    checking_account    text NOT NULL,
    duration_months     integer NOT NULL,
    credit_history      text NOT NULL,
    credit_purpose      text NOT NULL,
    credit_amount       bigint NOT NULL,
    savings             text NOT NULL,
    employment_since    text NOT NULL,
    installment_percent integer NOT NULL,
    sex_and_status      text NOT NULL,
    other_debtors       text NOT NULL,
    residence_since     integer NOT NULL,
    property            text NOT NULL,
    age_years           integer NOT NULL,
    other_installments  text NOT NULL,
    housing             text NOT NULL,
    existing_credits    integer NOT NULL,
    job                 text NOT NULL,
    dependents          integer NOT NULL,
    telephone           boolean NOT NULL,
    foreign_worker      boolean NOT NULL,
    outcome             text NOT NULL CHECK (outcome IN ('good', 'bad')),
    PRIMARY KEY (applicant_id, event_timestamp, created)
);
COMMENT ON TABLE credit_features IS 'offline store: Statlog German Credit (H. Hofmann, CC BY 4.0), codes decoded';
COMMENT ON COLUMN credit_features.event_timestamp IS 'when the features were known; made up, the data set has no dates';
COMMENT ON COLUMN credit_features.credit_amount IS 'in DM';

-- What kind of values these are.  Whoever owns the table says so; only an
-- administrator of pg_steward can take a label away.
SECURITY LABEL FOR steward ON COLUMN credit_features.sex_and_status IS 'protected-attribute';
SECURITY LABEL FOR steward ON COLUMN credit_features.age_years IS 'protected-attribute';
SECURITY LABEL FOR steward ON COLUMN credit_features.foreign_worker IS 'protected-attribute';

-- Which desk of the bank decides on which application; made up.
CREATE TABLE applicant_desk (
    applicant bytea PRIMARY KEY,
    desk      text NOT NULL
);
COMMENT ON TABLE applicant_desk IS 'the desk that decides on an application, by the key of the online store; made up';
COMMENT ON COLUMN applicant_desk.applicant IS 'entity_key of the online store';

-- GRANT alone opens nothing: which rows and values, and for which purpose, is
-- pg_steward's.
GRANT SELECT ON credit_features TO risk_team, junior_analyst, fairness_team, marketing, on_call;
-- The author of the rules reads no features, but which desk has which applicant.
GRANT SELECT ON applicant_desk TO data_steward;
