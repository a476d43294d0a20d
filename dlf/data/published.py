"""The feature files that the field has published, told by their SHA-256."""

from typing import NamedTuple


class Published(NamedTuple):
    """A published file: the dataset it is of, and whether its modalities are aligned to words."""

    dataset: str
    alignment: str

    def __str__(self) -> str:
        return f"{self.dataset.upper()} {self.alignment}"


PUBLISHED = {
    "d3994fd25681f9c7ad6e9c6596a6fe9b4beb85ff7d478ba978b124139002e5f9": Published(
        "mosi", "aligned"
    ),
    "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524": Published(
        "mosi", "unaligned"
    ),
    "45eccfb748a87c80ecab9bfac29582e7b1466bf6605ff29d3b338a75120bf791": Published(
        "mosei", "aligned"
    ),
    "ad8b23d50557045e7d47959ce6c5b955d8d983f2979c7d9b7b9226f6dd6fec1f": Published(
        "mosei", "unaligned"
    ),
}
"""by the SHA-256 of the pickle"""
