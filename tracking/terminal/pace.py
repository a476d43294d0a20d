"""How fast a run trains, and from that how long the rest of it may take."""

from collections import deque
from collections.abc import Callable, Iterable

WINDOW_SECONDS = 120.0
WINDOW_EPOCHS = 30
WARM_UP_SECONDS = 10.0
TRIALS_TO_GO_BY = 3


class Pace:
    """Counts the epochs of a run, and how many of them its trials took.

    The rate is of the last two minutes, or of the last 30 epochs where those took longer. The first
    ten seconds, in which workers start, have none.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: float | None = None
        self._window_began = 0.0
        self._ended: float | None = None
        self._recent: deque[float] = deque()
        self._epochs = 0
        self._lengths: list[int] = []

    def begin(self) -> None:
        """Start the clock, once."""
        if self._began is None:
            self._began = self._window_began = self._clock()

    def epoch_trained(self) -> None:
        """Count an epoch."""
        self._epochs += 1
        self._recent.append(self._clock())

    def trial_ended(self, epochs: int) -> None:
        """Count a trial, unless it came to nothing."""
        if epochs:
            self._lengths.append(epochs)

    def end(self) -> None:
        """Stop the clock: from now on the rate is that of the whole run."""
        self._ended = self._clock()

    def seconds(self) -> float:
        """Return how long the run has taken."""
        if self._began is None:
            return 0.0
        return (self._clock() if self._ended is None else self._ended) - self._began

    def epochs_per_minute(self) -> float | None:
        """Return the rate; none while nothing can be said."""
        if self._ended is None:
            now = self._clock()
            self._leave_out_what_is_old(now)
            epochs, seconds = len(self._recent), now - self._window_began
        else:
            epochs, seconds = self._epochs, self.seconds()
        if epochs == 0 or seconds < WARM_UP_SECONDS:
            return None
        return 60.0 * epochs / seconds

    def epochs_to_come(self, running: Iterable[int], waiting: int) -> float | None:
        """Estimate how many epochs are left, by the trials that ended.

        Args:
            running: the epochs that each trial under way has behind it.
            waiting: how many trials are still to begin.

        Returns:
            None until a few trials ended.
        """
        if len(self._lengths) < TRIALS_TO_GO_BY:
            return None
        mean = sum(self._lengths) / len(self._lengths)
        return waiting * mean + sum(self._rest_of(epochs) for epochs in running)

    def _rest_of(self, epochs: int) -> float:
        """A trial that has come this far goes on as those did that came further; else it ends."""
        further = [length - epochs for length in self._lengths if length > epochs]
        return sum(further) / len(further) if further else 1.0

    def _leave_out_what_is_old(self, now: float) -> None:
        while len(self._recent) > WINDOW_EPOCHS and now - self._recent[0] > WINDOW_SECONDS:
            self._window_began = self._recent.popleft()
