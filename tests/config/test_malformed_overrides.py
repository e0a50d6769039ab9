"""Overrides that are refused as they are written, before anything is composed."""

import pytest

from vpharness.commands.cli import main
from vpharness.config.malformed_overrides import refuse_malformed
from vpharness.errors import ConfigError


@pytest.mark.parametrize("override", ["~signal", "~dataset", "~eval=ticks", "~feed"])
def test_a_group_that_commands_need_cannot_be_left_out(override: str) -> None:
    """It is named in one line before anything is composed; single keys and other groups are for Hydra to judge."""
    refuse_malformed(["~eval.tp_ticks", "~tracking", "signal=ads"], "run")
    with pytest.raises(ConfigError, match=f"^{override}: [a-z]+ cannot be left out; leave {override} away$"):
        refuse_malformed(["lake=x", override], "run")


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["signal="], "signal= names nothing to choose; write signal=NAME, such as signal=ads (--help lists them)"),
        (["+signal="], "signal= names nothing to choose; write signal=NAME, such as signal=ads (--help lists them)"),
        (["+signal=ads"], "+signal=ads: signal is a group of this command already; write signal=ads, without +"),
        (["++eval=default"], "++eval=default: eval is a group of this command already; write eval=default, without +"),
        (["eval=5"], "eval is 5; expected the name of a choice, such as eval=default (--help lists them)"),
        (["dataset="], "dataset= names no dataset; write dataset.id=ID (python -m vpharness list-datasets)"),
        (
            ["dataset=20240311"],
            "dataset=20240311 names no dataset; write dataset.id=20240311 (python -m vpharness list-datasets)",
        ),
        (["signal={a:1}"], "signal is {a:1}; expected the name of a choice, such as signal=ads (--help lists them)"),
        (
            ["signal=[ads, erd]"],
            (
                "signal=[ads, erd] is a list, and one name is expected; for a run of each: "
                "python -m vpharness -m signal=ads,erd"
            ),
        ),
        (
            ["signal=null"],
            (
                "signal=null leaves signal out, which the command needs; write signal=perm_derivative, or leave "
                "signal=null away"
            ),
        ),
        (["signal=ads,,erd"], "signal=ads,,erd has a comma with no value beside it; write signal=ads,erd"),
        (["eval.tp_ticks=6,"], "eval.tp_ticks=6, has a comma with no value beside it; write eval.tp_ticks=6"),
        (["dataset.id="], "dataset.id= has no value; give one, or leave dataset.id= away"),
        (["of_signal="], "signal= has no value; give one, or leave signal= away"),
        (
            ["tracking=none", "tracking=none"],
            "tracking is given twice: tracking=none and tracking=none; give it once",
        ),
        (
            ["eval.tp_ticks=6", "lake=x", "eval.tp_ticks=8", "+eval.tp_ticks=9"],
            "eval.tp_ticks is given 3 times: eval.tp_ticks=6 and eval.tp_ticks=8 and eval.tp_ticks=9; give it once",
        ),
        (["seed=" + "1" * 300], "seed holds a number of 300 digits; give a smaller one"),
    ],
)
def test_what_is_wrong_in_the_writing_is_one_line_with_what_to_write(overrides: list[str], error: str) -> None:
    """A line for each mistake, in the words that a user knows."""
    with pytest.raises(ConfigError) as refused:
        refuse_malformed(overrides, "run", shown={"of_signal": "signal"})
    assert str(refused.value) == error


def test_what_is_right_is_not_refused() -> None:
    """Values with commas of their own, groups that a command does not have yet, and texts that may be empty."""
    refuse_malformed(
        [
            "signal=ads",
            "eval.tp_ticks=6,8",
            "signal.thresholds=[0.1,0.2]",
            "source.path='a,,b'",
            "+experiment=smoke_perm_derivative",
            "lake_datasets=",
            "--cfg",
            "~tracking",
        ],
        "run",
    )
    refuse_malformed(["signal=ads,erd", "tracking=none"], "run", multirun=True)


def test_all_mistakes_of_writing_come_in_one_line() -> None:
    """So that they are mended in one go."""
    with pytest.raises(ConfigError) as refused:
        refuse_malformed(["signal=", "lake=", "top=1", "top=2"], "compare")
    assert str(refused.value).count("; ") == 5
    assert all(each in str(refused.value) for each in ("signal= names", "lake= has no value", "top is given twice"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["run", "ads"], "run does not accept 'ads'; expected KEY=VALUE; did you mean signal=ads?"),
        (["run", "signal:ads"], "run does not accept 'signal:ads'; expected KEY=VALUE; write signal=ads"),
        (["run", "signal=", "ads"], "expected KEY=VALUE; write it without spaces: signal=ads"),
        (["run", "signal", "=", "ads"], "expected KEY=VALUE; write it without spaces: signal=VALUE"),
        (
            ["run", "signal.thresholds=[0.2,", "0.3]"],
            "a list is written without spaces: signal.thresholds=[VALUE,VALUE]",
        ),
        (["run", "--signal=ads"], "there is no option --signal; write signal=ads, without hyphens"),
        (["--multirun=3"], "--multirun=3 has a value, and --multirun takes none"),
        (["compare", "signal="], "signal= has no value; give one, or leave signal= away"),
    ],
)
def test_words_that_are_no_overrides_say_what_to_write(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spaces, colons and hyphens, as other programs take them."""
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert error in told
    assert told.count("\n") == 1
