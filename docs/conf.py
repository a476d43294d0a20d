"""How Sphinx builds the documentation: `python -m sphinx -W -n -b html docs docs/_build/html`."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "dlf-search"
version = release = installed_version(project)
author = "the authors of dlf-search"
html_title = f"{project} {version}"
html_show_copyright = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docs.equations",
    "docs.generated",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_update_mathjax = False
# The lexer of terminal sessions gives up on a quotation that goes over several lines.
suppress_warnings = ["misc.highlighting_failure"]

copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

smartquotes = False
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_math_renderer = "drawings"
html_copy_source = False
html_show_sourcelink = False

autodoc_typehints = "description"
autodoc_member_order = "bysource"
# Types of other projects have their pages on the network, which a build does not ask.
nitpick_ignore_regex = [("py:.*", ".*")]
