"""The credit-scoring model: a logistic regression, trained with scikit-learn,
kept as nothing but its coefficients so that anybody can recompute a score.

Copyright (c) 2026, the pg_steward authors
"""

import math
import os

# one thread: as fast at this size, and the same result everywhere
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.compose import make_column_transformer

# The cost matrix of the data set: a bad credit that is granted costs five
# times a good one that is refused.  Granting is the cheaper choice from this
# probability of a good outcome on.
THRESHOLD = 5 / 6


def train(rows, outcomes, features, kind):
    """Fit on rows (sequences in the order of features) and outcomes ('good'
    or 'bad'); returns the parameters to be stored and the figures of a
    five-fold cross-validation."""
    category = [i for i, f in enumerate(features) if kind[f] == "text"]
    number = [i for i, f in enumerate(features) if kind[f] != "text"]
    x = numpy.array(rows, dtype=object)
    x[:, number] = x[:, number].astype(float)
    y = numpy.array([o == "good" for o in outcomes])

    def fresh():
        return make_pipeline(
            make_column_transformer((StandardScaler(), number),
                                    (OneHotEncoder(handle_unknown="ignore"), category)),
            LogisticRegression(C=0.5, max_iter=2000, tol=1e-8))

    held_out = cross_val_predict(fresh(), x, y, method="predict_proba",
                                 cv=StratifiedKFold(5, shuffle=True, random_state=1))[:, 1]
    granted = held_out >= THRESHOLD
    fitted = fresh().fit(x, y)
    columns, regression = fitted[0], fitted[1]
    scaler, encoder = columns.transformers_[0][1], columns.transformers_[1][1]

    # Coefficients of the plain values: the scaling is folded in.
    weights = regression.coef_[0]
    per_unit = weights[:len(number)] / scaler.scale_
    intercept = float(regression.intercept_[0] - (per_unit * scaler.mean_).sum())
    numeric = {features[i]: float(w) for i, w in zip(number, per_unit)}
    per_category, at = {}, len(number)
    for i, values in zip(category, encoder.categories_):
        per_category[features[i]] = {v: float(w) for v, w in zip(values, weights[at:at + len(values)])}
        at += len(values)

    parameters = {
        "kind": "logistic regression",
        "probability_of": "good",
        "threshold": THRESHOLD,
        "features": list(features),
        "intercept": intercept,
        "numeric": numeric,
        "category": per_category,
    }
    figures = {
        "area under the curve": float(roc_auc_score(y, held_out)),
        "granted": float(granted.mean()),
        "bad among the granted": float((~y[granted]).mean()),
        "bad among all": float((~y).mean()),
    }
    # what scikit-learn itself says, to prove the folding right
    return parameters, figures, fitted.predict_proba(x)[:, 1]


def score(parameters, values):
    """The probability of a good outcome, from nothing but stored coefficients."""
    z = parameters["intercept"]
    for feature, weight in parameters["numeric"].items():
        z += weight * float(values[feature])
    for feature, weights in parameters["category"].items():
        z += weights.get(values[feature], 0.0)
    return 1 / (1 + math.exp(-z))
