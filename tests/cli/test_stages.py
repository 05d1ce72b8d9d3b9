"""What a command is doing is said on standard error, and that kernels are compiled the first time."""

from saymask.cli.stages import COMPILING, Stages


def test_compiling_is_said_once(capsys):
    from numba.core import event

    Stages().begin("load")  # of another command of this process, which compiled nothing
    stages = Stages()
    capsys.readouterr()
    with stages("encode"):
        for name in ("first", "second"):
            with event.trigger_event("numba:compile", data={"dispatcher": name}):
                pass
    stages.begin("save")
    with event.trigger_event("numba:compile", data={}):
        pass
    assert capsys.readouterr().err.splitlines() == ["encoding the scan …", COMPILING, "writing the result …"]


def test_a_quiet_command_says_nothing_nor_one_that_is_done(capsys):
    from numba.core import event

    stages = Stages()
    stages.begin("encode")
    stages.clear()
    capsys.readouterr()
    with event.trigger_event("numba:compile", data={}):
        pass
    with Stages(quiet=True)("encode"), event.trigger_event("numba:compile", data={}):
        pass
    assert capsys.readouterr().err == ""
