"""The verdict on a ledger in plain words: what won, or why nothing did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from xml.etree.ElementTree import Element

from vpharness.evaluation.significance import LEAST_NET_BLOCKS, LEAST_NET_FIRES, SIGNIFICANCE_LEVEL
from vpharness.results.ranking import Ranked
from vpharness.results.report.candidates import dataset_ids_of, name_of, net_ends_text, short_id
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import element, number
from vpharness.results.session_names import session_names
from vpharness.wording import counted

_MOST_NAMED: Final = 6


def verdict(findings: Findings) -> Element:
    """Return the verdict in plain words: what won, or why nothing did."""
    return verdict_of(list(verdict_sentences(findings)), has_won=any(each.winner for each in findings.ranked))


def verdict_of(sentences: Sequence[str], *, has_won: bool) -> Element:
    """Return a verdict, the first sentence of which is its heading."""
    heading, *sentences = sentences
    kind = "won" if has_won else "lost"
    words = [element("p", sentence) for sentence in sentences]
    return element("div", element("p", heading, class_="answer"), *words, class_=f"verdict {kind}")


def verdict_sentences(findings: Findings) -> Iterator[str]:
    """Yield what won, or why nothing did, and what stands behind it; the first sentence is the heading."""
    rankable = findings.rankable
    winners = [each for each in rankable if each.winner]
    if not findings.ranked:
        yield "There are no candidates"
        yield "Nothing in the ledger is what was asked for."
        return
    if not rankable:
        yield "Too little data to say anything"
        yield (
            f"Of {counted(len(findings.ranked), 'candidate')} none has {LEAST_NET_FIRES} net fires in "
            f"{LEAST_NET_BLOCKS} separate stretches of time."
        )
        return
    unearning = sum(each.beats_chance and not each.winner for each in rankable)
    rule = f"p adj. at most {SIGNIFICANCE_LEVEL:g}, and a lower end for all above 0"
    if winners:
        beat = "beats" if len(winners) == 1 else "beat"
        yield f"{counted(len(winners), 'candidate')} {beat} chance and costs: {rule}"
    elif unearning:
        yield f"Nothing here beats chance and costs: that takes {rule}"
    else:
        yield "Nothing here beats chance"
    yield _about_the_best(rankable[0], findings.sessions)
    yield _about_the_search(rankable[0])
    if unearning:
        yield (
            f"{counted(unearning, 'other candidate' if winners else 'candidate')} would do better than chance by the "
            "adjusted p-value alone, but no profit of theirs holds for the whole search at once (lower end for all), "
            "or a part of what they ran on is left out: their directions beat chance; their profit is not certain "
            "enough after so many tries."
        )
    if not winners:
        least = min(each.p_adjusted for each in rankable if each.p_adjusted is not None)
        yield f"The least adjusted p-value of all is {least:.3f}; a winner has {SIGNIFICANCE_LEVEL:g} or less."


def _about_the_best(best: Ranked, sessions: Mapping[str, str]) -> str:
    f = best.judgement.figures
    return (
        f"First in the ranking is {name_of(best)} ({short_id(best)}): {number(f.net_pnl_ticks, '+.2f')} ticks per fire "
        f"after the spread, 95 % interval {net_ends_text(f)}, over {f.n_net:,} fires in "
        f"{counted(f.n_net_blocks, 'stretch')} of time on {_listed(session_names(dataset_ids_of(best), sessions))}."
    )


def _about_the_search(best: Ranked) -> str:
    family, draws = best.family, _n_draws(best)
    words = (
        f"The search behind it evaluated {counted(family.n_evaluated, 'candidate')} on the same data, "
        f"{family.n_rankable:,} of them with enough data to be ranked. By chance alone the best of such a "
        f"search does at least as well in "
        f"{_draws_text('p adj.', best.p_adjusted, draws)}."
    )
    if best.p_campaign is None:
        return words
    return (
        f"{words} Among the {counted(best.campaign_size, 'rankable candidate')} of its campaign alone that would be "
        f"{_draws_text('p camp.', best.p_campaign, draws)}."
    )


def _n_draws(ranked: Ranked) -> int:
    return 0 if ranked.family.greatest_excess is None else len(ranked.family.greatest_excess)


def _draws_text(name: str, p_value: float | None, draws: int) -> str:
    """Return how many draws of chance a p-value stands for."""
    if p_value is None:
        raise ValueError(f"a candidate that is not ranked has no {name}")
    count = round(p_value * (1 + draws)) - 1
    return f"{f'{count:,}' if count else 'none'} of {draws:,} draws ({name}\N{NO-BREAK SPACE}{p_value:.3f})"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMED:
        return f"{len(names):,} datasets, from {names[0]} to {names[-1]}"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
