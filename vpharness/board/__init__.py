"""The board: the ledger, datasets and promotions of a lake as pages, read-only, with the figures and charts of reports.

`answers.answer(board, path, query)` gives any page. `standing` has the ranking that pages show; one module a page makes
its figures and its HTML. `command` serves them on loopback, `worker` answers for the live server in its own process.
"""
