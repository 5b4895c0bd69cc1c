-- The rules of the demonstration, written by data_steward.
-- Copyright (c) 2026, the pg_steward authors

-- From here on both stores show nothing to anybody but by a rule.
SELECT steward.protect('credit_features', entity_column => 'applicant_id');
SELECT steward.protect('credit_applicant_features');

-- What the data may be used for, and by whom.
SELECT steward.create_purpose('credit-scoring', 'decide on applications for credit', 'GDPR Art. 6(1)(b)');
SELECT steward.create_purpose('bias-audit', 'detect and correct discrimination', 'AI Act Art. 10(5)');
SELECT steward.create_purpose('marketing', 'advertise to customers', 'GDPR Art. 6(1)(a)');
SELECT steward.grant_purpose('credit-scoring', 'risk_team');
SELECT steward.grant_purpose('credit-scoring', 'scoring_service');
SELECT steward.grant_purpose('credit-scoring', 'junior_analyst');
SELECT steward.grant_purpose('bias-audit', 'fairness_team');
SELECT steward.grant_purpose('marketing', 'marketing');

-- The offline store.
SELECT steward.create_row_policy('pipeline_maintains', 'credit_features', 'true',
    roles => '{feature_pipeline}', commands => '{all}');
SELECT steward.create_row_policy('scoring', 'credit_features', 'true',
    roles => '{risk_team}', purposes => '{credit-scoring}');
SELECT steward.create_row_policy('audit', 'credit_features', 'true',
    roles => '{fairness_team}', purposes => '{bias-audit}');
SELECT steward.create_row_policy('within_limit', 'credit_features',
    $$credit_amount <= steward.attr('credit_limit', 0)$$,
    roles => '{junior_analyst}', purposes => '{credit-scoring}');
SELECT steward.set_attribute('junior_analyst', 'credit_limit', '{2500}');

-- Its protected attributes, whichever columns bear the label, are masked but for
-- bias-audit; the pipeline carries them.  Of several masks the lowest priority wins.
SELECT steward.create_tag_mask('protected', 'protected-attribute', 'NULL',
    unless_roles => '{feature_pipeline}', unless_purposes => '{bias-audit}');
SELECT steward.create_mask('sex', 'credit_features', 'sex_and_status', 'steward.mask_redact(sex_and_status)',
    unless_roles => '{feature_pipeline}', unless_purposes => '{bias-audit}', priority => 10);
SELECT steward.create_mask('age', 'credit_features', 'age_years', 'steward.mask_bucket(age_years, 20)::integer',
    unless_roles => '{feature_pipeline}', unless_purposes => '{bias-audit}', priority => 10);

-- The online store: which feature may be read is a rule on rows.
SELECT steward.create_row_policy('pipeline_writes', 'credit_applicant_features', 'true',
    roles => '{feature_pipeline}', commands => '{select,insert,update}',
    check_expr => $$feature_name IN ('checking_account', 'duration_months', 'credit_history',
        'credit_purpose', 'credit_amount', 'savings', 'employment_since', 'installment_percent',
        'sex_and_status', 'other_debtors', 'residence_since', 'property', 'age_years',
        'other_installments', 'housing', 'existing_credits', 'job', 'dependents', 'telephone',
        'foreign_worker')$$);
SELECT steward.create_row_policy('scoring', 'credit_applicant_features', 'true',
    roles => '{risk_team}', purposes => '{credit-scoring}');
-- A scoring service says by a token who it is, and sees the applicants of its desk.
SELECT steward.require_token('scoring_service');
SELECT steward.create_row_policy('own_desk', 'credit_applicant_features',
    $$EXISTS (SELECT FROM public.applicant_desk d
              WHERE d.applicant = entity_key AND d.desk = steward.attr('desk', ''::text))$$,
    roles => '{scoring_service}', purposes => '{credit-scoring}');
SELECT steward.create_row_policy('audit', 'credit_applicant_features', 'true',
    roles => '{fairness_team}', purposes => '{bias-audit}');
-- A deny beats every allow: nobody scores credits by these, whatever else is allowed.
SELECT steward.create_row_policy('protected_hidden', 'credit_applicant_features',
    $$feature_name IN ('sex_and_status', 'age_years', 'foreign_worker')$$,
    roles => '{public}', purposes => '{credit-scoring}', effect => 'deny');

-- At three in the morning somebody must be able to look, and answers for it.
SELECT steward.grant_break_glass('on_call', '30 minutes');
