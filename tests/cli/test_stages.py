"""What a command is doing is said on standard error, and that kernels are compiled the first time."""

from saymask.cli.stages import COMPILING, Stages


def test_compiling_is_said_once(capsys):
    from numba.core import event

    stages = Stages()
    with stages("encode"):
        for name in ("first", "second"):
            with event.trigger_event("numba:compile", data={"dispatcher": name}):
                pass
    stages.begin("save")
    with event.trigger_event("numba:compile", data={}):
        pass
    assert capsys.readouterr().err.splitlines() == ["encoding the scan …", COMPILING, "writing the result …"]


def test_a_quiet_command_says_nothing(capsys):
    from numba.core import event

    with Stages(quiet=True)("encode"), event.trigger_event("numba:compile", data={}):
        pass
    assert capsys.readouterr().err == ""
