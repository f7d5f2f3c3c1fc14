#!/usr/bin/python3
"""Writes tests/unit/evaluation_golden.h: seeded distances and what scikit-learn makes of them.

    /usr/bin/python3 tests/check/evaluation_golden.py | clang-format > tests/unit/evaluation_golden.h

(Debian 12: python3-sklearn 1.2.) Ties are in all cases: distances are rounded to a few digits. The
equal-error rate is where the line TPR = 1 - FPR meets scikit-learn's ROC curve; its threshold is
interpolated on the same segment. scikit-learn accepts at scores >= threshold; here a pair is
accepted when distance < threshold, so a point of its curve that accepts all distances <= v is the
threshold just above v, that is the next distance.
"""
import numpy
from sklearn import metrics


def equal_error(same, distance):
    fpr, tpr, scores = metrics.roc_curve(same, -distance, drop_intermediate=False)
    ordered = numpy.unique(distance)
    after = [ordered[0]] + [
        ordered[i + 1] if i + 1 < len(ordered) else numpy.nextafter(ordered[-1], numpy.inf)
        for i in range(len(ordered))
    ]
    difference = fpr - (1 - tpr)
    k = int(numpy.argmax(difference >= 0))
    s = -difference[k - 1] / (difference[k] - difference[k - 1])
    return fpr[k - 1] + s * (fpr[k] - fpr[k - 1]), after[k - 1] + s * (after[k] - after[k - 1])


def case(rng, genuine, impostor, digits, spread, threshold):
    distance = numpy.round(
        numpy.abs(
            numpy.concatenate(
                [rng.normal(0.45, spread, genuine), rng.normal(0.86, spread, impostor)]
            )
        ),
        digits,
    )
    same = numpy.concatenate([numpy.ones(genuine, int), numpy.zeros(impostor, int)])
    order = rng.permutation(len(same))
    distance, same = distance[order], same[order]
    accepted = (distance < threshold).astype(int)
    eer, eer_threshold = equal_error(same, distance)
    numbers = [
        threshold,
        metrics.accuracy_score(same, accepted),
        metrics.precision_score(same, accepted, zero_division=0),
        metrics.recall_score(same, accepted),
        metrics.f1_score(same, accepted, zero_division=0),
        metrics.roc_auc_score(same, -distance),
        eer,
        eer_threshold,
    ]
    return distance, same, numbers


def main():
    rng = numpy.random.default_rng(20260131)
    cases = [
        case(rng, 100, 120, 2, 0.15, 0.6),
        case(rng, 30, 200, 1, 0.25, 0.7),
        case(rng, 50, 50, 3, 0.05, 0.6),
        case(rng, 40, 3, 2, 0.3, 0.01),
        case(rng, 5, 7, 0, 0.4, 2.0),
    ]
    print("/* Written by tests/check/evaluation_golden.py. Do not edit. */")
    print("static const struct evaluation_pair GOLDEN_PAIRS[] = {")
    for distance, same, _ in cases:
        for d, s in zip(distance, same):
            print(f"    {{{float(d)!r}, {s}}},")
    print("};\n")
    print("static const struct golden_case {\n    size_t count;")
    print("    double threshold, accuracy, precision, recall, f1, roc_auc, eer, eer_threshold;")
    print("} GOLDEN_CASES[] = {")
    for distance, _, numbers in cases:
        print(f"    {{{len(distance)}, " + ", ".join(repr(float(n)) for n in numbers) + "},")
    print("};")


main()
