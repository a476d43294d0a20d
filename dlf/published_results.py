"""The published figures of DLF: Wang et al., AAAI 2025, arXiv 2412.12225.

Each is the figure of one training on one seed, measured on the test split and published without an
interval: two of them that lie close together cannot be told apart. They rest on a fine-tuned
bert-base-uncased and on the authors' own audio and vision features.
"""

from collections.abc import Mapping

TABLE_1: Mapping[str, Mapping[str, float]] = {
    "mosi": {
        "mae": 0.731,
        "corr": 0.781,
        "acc7": 0.4708,
        "acc5": 0.5233,
        "acc2": 0.8506,
        "f1": 0.8504,
    },
    "mosei": {
        "mae": 0.536,
        "corr": 0.764,
        "acc7": 0.5390,
        "acc5": 0.5570,
        "acc2": 0.8542,
        "f1": 0.8527,
    },
}
"""DLF against other models: by dataset and by the names of `dlf.metrics.Metrics`, shares 0 to 1"""

FULL_MODEL = "DLF"
"""the row of Table 2 that the others take something from"""

TABLE_2: Mapping[str, Mapping[str, float]] = {
    name: {"acc7": acc7, "acc2": acc2, "f1": f1, "mae": mae}
    for name, acc7, acc2, f1, mae in (
        (FULL_MODEL, 0.4708, 0.8506, 0.8504, 0.731),
        ("only A", 0.1531, 0.4284, 0.2664, 1.453),
        ("only V", 0.1501, 0.4329, 0.2973, 1.455),
        ("only L", 0.4563, 0.8445, 0.8438, 0.752),
        ("L&A", 0.4577, 0.8384, 0.8388, 0.741),
        ("L&V", 0.4665, 0.8308, 0.8313, 0.745),
        ("w/o L_r", 0.4592, 0.8467, 0.8459, 0.734),
        ("w/o L_s", 0.4536, 0.8460, 0.8456, 0.740),
        ("w/o L_m", 0.4577, 0.8399, 0.8397, 0.735),
        ("w/o L_o", 0.4577, 0.8308, 0.8316, 0.738),
        ("w/o FDM", 0.4592, 0.8460, 0.8458, 0.739),
        ("w/o LFA", 0.4271, 0.8384, 0.8385, 0.767),
        ("w/o HP", 0.4242, 0.8476, 0.8474, 0.761),
    )
}
"""The ablations, of MOSI alone, by the paper's names of the rows and in its order. Acc-5 and the
correlation were not published."""
