"""Import a feature file, generate the synthetic dataset, or show what is stored.

python -m dlf.data import --dataset mosi --source aligned_50.pkl --data-dir data
python -m dlf.data synthesize --data-dir data --seed 0
python -m dlf.data synthesize --pickle demo.pkl
python -m dlf.data info --dataset mosi --data-dir data
"""

import sys
from pathlib import Path

from dlf.command import EXIT_DONE, CommandParser, add_json_flag, run_command, seed_int
from dlf.data.arguments import add_data_dir_flag
from dlf.data.information import gather, shared_video_warning
from dlf.data.location import import_file, synthesize
from dlf.data.manifest import Manifest, dataset_folder
from dlf.data.names import DATASET_NAMES, GENERATED, dataset_name, importable_name
from dlf.data.page import render
from dlf.data.synthetic import write_feature_file
from dlf.presets import PRESETS


def main() -> int:
    """Run the command that the command line asks for; raise `BadInputError` on bad input."""
    arguments = argument_parser().parse_args()
    if arguments.command == "import":
        manifest = import_file(arguments.dataset, arguments.source, arguments.data_dir)
        _report(manifest, arguments.data_dir)
    elif arguments.command == "synthesize" and arguments.pickle is not None:
        write_feature_file(arguments.pickle, arguments.seed)
        print(f"written to {arguments.pickle}")
    elif arguments.command == "synthesize":
        _report(synthesize(arguments.data_dir, arguments.seed), arguments.data_dir)
    else:
        information = gather(arguments.dataset, arguments.data_dir)
        print(information.model_dump_json() if arguments.json_only else render(information))
    return EXIT_DONE


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(prog="python -m dlf.data", description="Datasets for DLF.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    importing = commands.add_parser(
        "import",
        help="store a feature file in the MMSA layout",
        description="Store a feature file, a pickle in the MMSA layout, as a dataset.",
    )
    importing.add_argument(
        "--dataset",
        type=importable_name,
        required=True,
        metavar="NAME",
        help="mosi, mosei, or a name of your own",
    )
    importing.add_argument(
        "--source", type=Path, required=True, metavar="FILE", help="such as aligned_50.pkl"
    )
    generating = commands.add_parser(
        "synthesize",
        help="store the generated dataset, or write it as a feature file",
        description="Generate the synthetic dataset and store it.",
    )
    generating.add_argument("--seed", type=seed_int, default=0, help="one seed, one dataset")
    generating.add_argument(
        "--pickle",
        type=Path,
        metavar="FILE",
        help="write it to this feature file, in the MMSA layout, and store nothing",
    )
    showing = commands.add_parser(
        "info",
        help="show what is stored",
        description="Show what is stored; of the test split no more than its number of clips.",
    )
    showing.add_argument(
        "--dataset", type=dataset_name, required=True, metavar="NAME", help=DATASET_NAMES
    )
    add_json_flag(showing)
    for command in (importing, generating, showing):
        add_data_dir_flag(command)
    return parser


def _report(manifest: Manifest, data_dir: Path) -> None:
    clips, nonfinite = manifest.clips, manifest.nonfinite
    if manifest.published:
        print(f"recognised as the published file of {manifest.published}")
    print(f"{manifest.dataset}: train {clips.train}, valid {clips.valid}, test {clips.test} clips")
    print(f"non-finite values replaced by zero: audio {nonfinite.audio}, vision {nonfinite.vision}")
    print(f"written to {dataset_folder(manifest.dataset, data_dir)}, digest {manifest.digest}")
    if manifest.dataset not in (*PRESETS["paper"], GENERATED):
        print("the paper has no configuration for it, so searches begin with that for MOSI")
    for warning in shared_video_warning(manifest):
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
