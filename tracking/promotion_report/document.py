"""The report of a promotion from its verdict to how it is reproduced, before it has a form."""

from collections.abc import Iterator

from tracking.promotion_report.blocks import (
    Block,
    Commands,
    Document,
    Facts,
    Links,
    Pictures,
    Row,
    Section,
    Table,
    Words,
)
from tracking.promotion_report.outcome_section import outcome_section
from tracking.promotion_report.race_section import race_section
from tracking.promotion_report.records import PromotionReport, Registered
from tracking.promotion_report.remarks import remarks
from tracking.promotion_report.verdict import named, verdict
from tracking.promotion_report.wording import clause, moment, value_of, web_address


def document_of(promotion: PromotionReport) -> Document:
    """Return the report."""
    sections = [
        race_section(promotion),
        outcome_section(promotion),
        _configuration(promotion),
        *_figures(promotion),
        _reproduction(promotion),
    ]
    return Document(
        kind=f"Report of a promotion on {promotion.dataset}",
        title=promotion.study,
        verdict=verdict(promotion).sentences,
        remarks=remarks(promotion),
        standing=[_registration(promotion), f"Written {moment(promotion.when)}."],
        sections=sections,
    )


def _registration(promotion: PromotionReport) -> str:
    registered = promotion.registration
    if not isinstance(registered, Registered):
        return f"Nothing was registered: {clause(registered.reason)}."
    former = ""
    if registered.former is not None:
        former = f"; version {registered.former}, which had it, is now {registered.former_alias}"
    return (
        f"Registered as {registered.model} version {registered.version}, alias "
        f"{registered.alias}{former}."
    )


def _configuration(promotion: PromotionReport) -> Section:
    return Section(
        name="configuration",
        heading="The configuration against the paper's",
        blocks=list(_configurations(promotion)),
    )


def _configurations(promotion: PromotionReport) -> Iterator[Block]:
    ours, paper = promotion.candidate_config, promotion.paper_config
    names = list(dict.fromkeys([*ours, *paper]))
    differing = [name for name in names if ours.get(name) != paper.get(name)]
    if promotion.best.paper:
        yield Words(text="The candidate is the paper's configuration itself.")
    elif not differing:
        yield Words(text="They do not differ.")
    else:
        yield Words(text=f"They differ in {len(differing)} of {len(names)} values.")
        yield Table(
            head=["value", named(promotion.best), named(promotion.paper)],
            rows=[
                Row(cells=[name, value_of(ours.get(name)), value_of(paper.get(name))])
                for name in differing
            ],
        )
    same = {name: value_of(ours.get(name)) for name in names if name not in differing}
    if same:
        yield Facts(values=same, folded=f"The same in both ({len(same)})")


def _figures(promotion: PromotionReport) -> Iterator[Section]:
    if promotion.figures:
        pictures = Pictures(figures=promotion.figures)
        yield Section(name="figures", heading="The kept model on the test split", blocks=[pictures])


def _reproduction(promotion: PromotionReport) -> Section:
    blocks: list[Block] = [Commands(lines=promotion.commands)]
    links = dict(promotion.links)
    registered = promotion.registration
    if isinstance(registered, Registered) and registered.link is not None:
        links[f"{registered.model} version {registered.version}"] = registered.link
    opening = {what: link for what, link in links.items() if web_address(link) is not None}
    if opening:
        blocks.append(Links(addresses=opening))
    blocks.append(
        Facts(
            values={
                **{what: link for what, link in links.items() if what not in opening},
                "code": promotion.revision,
                "data": promotion.data.source,
                "text": " ".join(filter(None, [promotion.text.way, promotion.text.encoder])),
            }
        )
    )
    blocks.append(Facts(values=promotion.packages, folded="Versions of packages"))
    return Section(name="reproduce", heading="How to reproduce it", blocks=blocks)
