"""A report as one page of HTML: figures within it, nothing from the network, no script."""

from html import escape

import numpy as np
from numpy.typing import NDArray

from models.emotion.evaluate import Report
from models.emotion.evaluation import plots, sections
from models.emotion.evaluation.judgement import Judgement, Pictures

CSS = """
:root { color-scheme: light; }
body { font: 16px/1.55 Georgia, "Times New Roman", serif; color: #222; background: #fff; margin: 3rem auto;
  max-width: 68rem; padding: 0 1.5rem; }
h1, h2, th, .key, .small, figcaption, summary { font-family: "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 3rem 0 .6rem; padding-top: .6rem; border-top: 1px solid #ccc; }
p { max-width: 44rem; margin: .6rem 0; }
.small, figcaption { font-size: .8rem; color: #555; }
.notes { max-width: 44rem; border-left: 3px solid #c8701a; margin: 1rem 0; padding: .1rem 1rem; }
.keys { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .7rem; margin: 1.4rem 0; }
.key { border: 1px solid #ddd; border-radius: 4px; padding: .7rem .9rem; }
.key b { display: block; font-size: 1.5rem; font-weight: 600; }
.key b i { display: block; font-size: .8rem; font-weight: 400; font-style: normal; color: #555; }
.key span { font-size: .8rem; color: #555; }
table { border-collapse: collapse; margin: 1rem 0; font: .85rem/1.4 "Helvetica Neue", Arial, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; border-bottom: 1.5px solid #444; padding: .25rem .8rem;
  vertical-align: bottom; }
td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid #eee; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td i { color: #777; font-style: normal; font-size: .92em; }
table.words td { text-align: left; overflow-wrap: anywhere; }
table.words td:first-child { white-space: nowrap; color: #555; }
figure { margin: 1.2rem 0; }
img { max-width: 100%; height: auto; }
summary { cursor: pointer; font-size: .85rem; color: #2f62b5; }
"""


def page(
    judged: Judgement,
    report: Report,
    images: NDArray[np.uint8],
    pictures: Pictures,
) -> str:
    """The page.

    Args:
        judged: all numbers.
        report: the predictions that failures are shown with.
        images: uint8 (n, s, s), all faces of the report.
        pictures: what is shown besides numbers.
    """
    origin = judged.origin
    title = escape(f"{origin.model} on {origin.data}")
    parts = (
        f"<h1>{title}</h1>",
        f'<p class="small">{escape(origin.date)} · {origin.n:,} of {origin.faces:,} faces count '
        f"({escape(origin.protocol)})</p>",
        sections.notes(origin.notes),
        sections.keys(judged),
        sections.compared(judged.against),
        sections.references(judged),
        sections.classes(judged),
        sections.calibration(judged),
        sections.clarity(judged),
        sections.robustness(judged),
        _regions(judged, pictures),
        _failures(report, images, pictures),
        sections.origin(judged),
    )
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{CSS}</style></head>\n<body>\n{body}\n</body></html>\n'


def _regions(judged: Judgement, pictures: Pictures) -> str:
    if not judged.heatmaps:
        return ""
    words = (
        "What covering a square of 8 px with the face's mean gray costs the label that was given (Zeiler and Fergus "
        "2014): red where it gets less probable, blue where it gets more so. Each picture has its own scale; the most "
        "that it loses stands above it."
    )
    faces, lost = pictures.examples
    drawn = (
        (plots.heatmaps(judged.heatmaps, pictures.faces), "Means over faces of a label that were given it."),
        (plots.examples(faces, lost, pictures.said), "One face of each."),
    )
    return sections.figures("Regions that decide", words, drawn)


def _failures(report: Report, images: NDArray[np.uint8], pictures: Pictures) -> str:
    if not len(pictures.wrong):
        return ""
    words = "The faces on which the network is most confident, and not with the majority."
    drawn = plots.failures(images[report.sample.rows], report.sample, report.found, pictures.wrong)
    caption = "What was said, and below it the majority of the votes with its share."
    return sections.figures("Failures", words, ((drawn, caption),))
