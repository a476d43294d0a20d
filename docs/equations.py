"""A Sphinx extension: equations as drawings in the page, which need no script, font or network."""

from html import escape

from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextToPath
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

FONT = FontProperties(size=TextToPath.FONT_SCALE, math_fontfamily="stix")
EM = TextToPath.FONT_SCALE
"""the height of the font in the drawing's own units"""
COMMANDS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the renderer that `html_math_renderer = "drawings"` names."""
    app.add_html_math_renderer(
        "drawings", inline_renderers=(_inline, None), block_renderers=(_block, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def drawing(tex: str) -> str:
    """Return an equation as SVG that stands on the line of the text and has its colour.

    Raises:
        ValueError: when it is no equation that matplotlib can draw.
    """
    text = f"${' '.join(tex.split())}$"
    width, _, _ = TextToPath().get_text_width_height_descent(text, FONT, ismath=True)
    vertices, codes = TextToPath().get_text_path(FONT, text, ismath=True)
    path = Path(vertices, codes)
    box = path.get_extents()
    return (
        f'<svg class="equation" role="img" aria-label="{escape(tex.strip())}"'
        f' viewBox="0 {-box.y1:.1f} {width:.1f} {box.height:.1f}"'
        f' style="width: {width / EM:.3f}em; height: {box.height / EM:.3f}em;'
        f' vertical-align: {box.y0 / EM:.3f}em">'
        f'<path fill="currentColor" d="{_outline(path)}"/></svg>'
    )


def _outline(path: Path) -> str:
    parts = []
    for points, code in path.iter_segments(simplify=False):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
        else:
            pairs = zip(points[::2], points[1::2], strict=True)
            parts.append(COMMANDS[code] + " ".join(f"{x:.1f},{-y:.1f}" for x, y in pairs))
    return "".join(parts)


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(drawing(node.astext()))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{drawing(node.astext())}</div>\n')
    raise nodes.SkipNode
