"""The report: what the ledger says as one page, from ranked candidates to the text of an HTML file.

The way through this room: `pages.page_of` puts the page together from its sections, each a function of ranked
candidates in a file of its own; `charts` draws, `markup` builds elements, so that all text is escaped in one place.
"""
