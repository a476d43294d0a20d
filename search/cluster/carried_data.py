"""Data for the nodes of a cluster that share no file system with the driver.

Ray's object store holds one copy on each node, and the workers there read it in place.
"""

import dataclasses

from dlf.data import Split
from search.trial.data import OpenedData, TrialData


def carried_data(data: TrialData) -> OpenedData:
    """Return what is carried to the nodes, of data that is opened here."""
    manifest, train, valid = data.open()
    return OpenedData(manifest, _features_of(train), _features_of(valid))


def _features_of(split: Split) -> Split:
    """Return the split without its strings, which no training reads and every worker would copy."""
    return dataclasses.replace(split, ids=[], raw_text=[])
