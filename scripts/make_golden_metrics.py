#!/usr/bin/env python3
"""What scikit-learn and NumPy say of the cases in metrics.json: kappa, AUC, and a percentile interval.

    python scripts/make_golden_metrics.py tests/fixtures/golden/metrics.json tests/fixtures/golden/metrics_order.json
"""
import json
import math
import sys
import warnings

import numpy as np
from sklearn.metrics import cohen_kappa_score, roc_auc_score

warnings.filterwarnings("ignore")


def number(x):
    return None if math.isnan(x) else float(x)


def main():
    cases = json.load(open(sys.argv[1], encoding="utf-8"))["cases"]
    found = {}
    for case in cases:
        labels, predicted = np.array(case["label"]), np.array(case["pred"])
        classes = np.array(case["half_even"]["rounded"])
        signed = labels != 0
        both = len(set(labels[signed])) == 2
        found[case["name"]] = {
            "quadratic_kappa": number(cohen_kappa_score(labels, classes, labels=[-1, 0, 1], weights="quadratic")),
            "sign_auc": float(roc_auc_score(labels[signed], predicted[signed])) if both else None,
            "interval_of_predictions": list(map(float, np.percentile(predicted, [2.5, 97.5]))),
        }
    json.dump(found, open(sys.argv[2], "w", encoding="utf-8"), indent=1)


if __name__ == "__main__":
    main()
