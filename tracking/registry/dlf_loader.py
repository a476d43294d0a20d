"""The loader that travels with a packaged model: MLflow asks it for what predicts.

It lies beside the package `dlf` there, with nothing else of ours.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from mlflow import MlflowException

from dlf.command import BadInputError
from dlf.serving.served import ServedModel

if TYPE_CHECKING:
    from pandas import DataFrame


class Refusal(MlflowException):
    """An error that keeps its words: MLflow's server would put the whole input before them."""

    @property
    def message(self) -> str:
        """What the client is told."""
        return str(self)

    @message.setter
    def message(self, _: str) -> None:
        pass


class Refusing:
    """A model whose refusals reach whoever asked, for MLflow shows only errors of its own."""

    def __init__(self, model: ServedModel) -> None:
        """Wrap a model."""
        self._model = model

    def predict(self, rows: "DataFrame") -> "DataFrame":
        """Return the predictions of every row.

        Raises:
            Refusal: for input that the model cannot take; over HTTP this is status 400.
        """
        try:
            return self._model.predict(rows)
        except BadInputError as error:
            raise Refusal.invalid_parameter_value(str(error)) from error


def _load_pyfunc(path: str) -> Refusing:
    return Refusing(ServedModel(Path(path)))
