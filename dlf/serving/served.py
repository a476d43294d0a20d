"""A trained model as MLflow's pyfunc flavour calls it, without an import of MLflow."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlf.serving.predictor import COLUMNS, Predictor
from dlf.serving.rows import Row

if TYPE_CHECKING:
    from pandas import DataFrame


class ServedModel:
    """What MLflow calls: a data frame of rows in, a data frame of predictions out."""

    def __init__(self, folder: Path) -> None:
        """Load the model in a folder; raise `BadInputError` when there is none of use."""
        self._predictor = Predictor.load(folder)

    def predict(self, model_input: "DataFrame | Sequence[Row]") -> "DataFrame":
        """Return sentiment, class of seven and per-modality predictions of every row.

        A model without per-modality predictions has None for them, which JSON can hold.

        Args:
            model_input: rows with the columns that `dlf.serving.rows.RowReader` describes.

        Raises:
            BadInputError: naming the row, counted from 0, and the column that cannot be taken.
        """
        from pandas import DataFrame  # comes with MLflow, and nothing else here needs it

        rows: Sequence[Row]
        if isinstance(model_input, DataFrame):
            rows = model_input.to_dict(orient="records")
        else:
            rows = model_input
        return DataFrame(self._predictor.predict(rows).columns(), columns=list(COLUMNS))
