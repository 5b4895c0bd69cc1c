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

-- Which columns a role may read is still PostgreSQL's own GRANT; which rows,
-- and for which purpose, is pg_steward's.  GRANT alone opens nothing.
GRANT SELECT (applicant_id, event_timestamp, created, checking_account, duration_months, credit_history,
    credit_purpose, credit_amount, savings, employment_since, installment_percent, other_debtors,
    residence_since, property, other_installments, housing, existing_credits, job, dependents, telephone,
    outcome) ON credit_features TO risk_team, junior_analyst;
GRANT SELECT ON credit_features TO fairness_team, marketing;
