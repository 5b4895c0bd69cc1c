"""Statlog German Credit: the meaning of its columns and codes, and a reader.

Copyright (c) 2026, the pg_steward authors
"""

from collections import namedtuple

# kind: text, integer, bigint or boolean, as the offline store types it
Feature = namedtuple("Feature", "name kind protected codes")

FEATURES = [
    Feature("checking_account", "text", False, {
        "A11": "below 0 DM",
        "A12": "0 to 200 DM",
        "A13": "200 DM or more, or salary paid in",
        "A14": "none"}),
    Feature("duration_months", "integer", False, None),
    Feature("credit_history", "text", False, {
        "A30": "no credits taken, or all paid back duly",
        "A31": "all credits at this bank paid back duly",
        "A32": "existing credits paid back duly till now",
        "A33": "delay in paying off in the past",
        "A34": "critical account, or credits elsewhere"}),
    Feature("credit_purpose", "text", False, {
        "A40": "new car",
        "A41": "used car",
        "A42": "furniture or equipment",
        "A43": "radio or television",
        "A44": "domestic appliances",
        "A45": "repairs",
        "A46": "education",
        "A47": "vacation",
        "A48": "retraining",
        "A49": "business",
        "A410": "other"}),
    Feature("credit_amount", "bigint", False, None),
    Feature("savings", "text", False, {
        "A61": "below 100 DM",
        "A62": "100 to 500 DM",
        "A63": "500 to 1000 DM",
        "A64": "1000 DM or more",
        "A65": "unknown or none"}),
    Feature("employment_since", "text", False, {
        "A71": "unemployed",
        "A72": "below 1 year",
        "A73": "1 to 4 years",
        "A74": "4 to 7 years",
        "A75": "7 years or more"}),
    Feature("installment_percent", "integer", False, None),
    Feature("sex_and_status", "text", True, {
        "A91": "male, divorced or separated",
        "A92": "female, divorced, separated or married",
        "A93": "male, single",
        "A94": "male, married or widowed",
        "A95": "female, single"}),
    Feature("other_debtors", "text", False, {
        "A101": "none",
        "A102": "co-applicant",
        "A103": "guarantor"}),
    Feature("residence_since", "integer", False, None),
    Feature("property", "text", False, {
        "A121": "real estate",
        "A122": "building society savings or life insurance",
        "A123": "car or other",
        "A124": "unknown or none"}),
    Feature("age_years", "integer", True, None),
    Feature("other_installments", "text", False, {
        "A141": "bank",
        "A142": "stores",
        "A143": "none"}),
    Feature("housing", "text", False, {
        "A151": "rent",
        "A152": "own",
        "A153": "for free"}),
    Feature("existing_credits", "integer", False, None),
    Feature("job", "text", False, {
        "A171": "unemployed, or unskilled non-resident",
        "A172": "unskilled resident",
        "A173": "skilled employee or official",
        "A174": "management, self-employed or highly qualified"}),
    Feature("dependents", "integer", False, None),
    Feature("telephone", "boolean", False, {"A191": False, "A192": True}),
    Feature("foreign_worker", "boolean", True, {"A201": True, "A202": False}),
]

NAMES = [f.name for f in FEATURES]
PROTECTED = [f.name for f in FEATURES if f.protected]
KIND = {f.name: f.kind for f in FEATURES}
OUTCOMES = {"1": "good", "0": "bad"}


def read(path):
    """Yield (values by feature, outcome) for each line; a line that does not
    fit the description raises ValueError with its number."""
    with open(path, encoding="ascii") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.split()
            if len(fields) != len(FEATURES) + 1:
                raise ValueError(f"line {number}: {len(fields)} fields, {len(FEATURES) + 1} expected")
            try:
                values = {f.name: f.codes[v] if f.codes else int(v)
                          for f, v in zip(FEATURES, fields)}
                yield values, OUTCOMES[fields[-1]]
            except (KeyError, ValueError) as e:
                raise ValueError(f"line {number}: unknown code {e}") from None
