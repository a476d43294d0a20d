"""All that records a search, put together: kept files, MLflow, the terminal and the report."""

from collections.abc import Callable
from pathlib import Path

from search.planning.plan import SearchPlan
from search.planning.request import SearchRequest
from search.recording.kept_results import KeptResults
from search.recording.live_report import LiveReport
from search.recording.tracked_study import tracked_study
from search.study.open_study import OpenStudy, StudyPlace
from search.study.records import finished_trials, left_under_way
from search.study.summary import console_of
from search.trial.checkpoints import Checkpoints
from tracking.journal.file import TRACKING_FILE
from tracking.recorder import Recorder, Recorders
from tracking.records import Summary
from tracking.run_names import TEXT_REASON_TAG
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.store.location import TrackingLocation
from tracking.study_files import CHECKPOINTS_FOLDER, StudyFiles
from tracking.terminal.console import say_on_stderr


class SearchRecording:
    """Records one search from its beginning to its end."""

    def __init__(
        self,
        request: SearchRequest,
        plan: SearchPlan,
        place: StudyPlace,
        opened: OpenStudy,
        location: TrackingLocation,
    ) -> None:
        """Begin to record; raise `BadInputError` when the journal of the study cannot be used."""
        onlookers: list[Recorder] = []
        tell: Callable[[str], None] = say_on_stderr
        if not request.json_only:
            budget = plan.budget
            onlooker = console_of(
                opened.study, budget.trials, seconds=budget.seconds, epochs=budget.epochs
            )
            onlookers, tell = [onlooker], onlooker.say
        self.tell = tell
        output = request.output.of(request.study)
        self.checkpoints = Checkpoints(folder=output.for_workers(place.folder / CHECKPOINTS_FOLDER))
        tracked = tracked_study(
            request.study,
            opened.key,
            opened.identity,
            request.data_dir,
            {TEXT_REASON_TAG: plan.text_words, **plan.resources.tags()},
        )
        self.mlflow = MlflowRecorder(location, tracked, place.folder / TRACKING_FILE, tell=tell)
        self.kept = KeptResults(
            self.checkpoints,
            StudyFiles(place.folder),
            plan.identity.data_in(request.data_dir),
            models=request.keep_models,
            values={trial.number: trial.value for trial in finished_trials(opened.study)},
            reached=left_under_way(opened.study),
            models_changed=self.mlflow.keep_models,
            tell=tell,
        )
        self.recorder = Recorders([self.kept, self.mlflow, *output.recorders(tell), *onlookers])
        self.live_report = LiveReport(opened, place.folder, self.mlflow.links, tell)
        self.report: Path | None = None

    def finish(self, summary: Summary, ended_by: str) -> str | None:
        """Write the last report, and wait until everything is kept; return what could not be.

        Args:
            summary: what the search came to.
            ended_by: what ended it, in words.
        """
        self.report = self.live_report.write(f"The search ended: {ended_by}.")
        return self.recorder.finish(summary)
