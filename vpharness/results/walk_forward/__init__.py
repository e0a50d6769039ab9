"""Walk-forward: a procedure of choosing candidates, judged by what it would have chosen and earned, segment by segment.

Everything is looked up in the ledger: no signal runs and no dataset is read, but for test days that are opened.

1. `segments.segments_of` cuts market time into segments and gives every candidate's evidence in each of them.
2. `choosing.WindowSums` finds the candidate with the largest lower end of its net interval over a window of segments.
3. `steps.walk` goes through the segments: what is chosen before each, and its evidence there.
4. `judged.judge_procedure` judges all out-of-sample fires together, and procedures against one another (`tried`).
5. `overfitting.overfitting` gives the probability of backtest overfitting (CSCV) of the same candidates and segments.
"""
