"""A model that has been asked whether it answers a verb, typed as one that does; else an error that says who would."""

from typing import Any, Literal, overload

from saymask.errors import InputError
from saymask.models.base import Model
from saymask.models.contract import (
    PROTOCOLS,
    AnswersClick,
    AnswersFind,
    AnswersInstances,
    AnswersPanoptic,
    AnswersRefer,
    AnswersSemantic,
)


@overload
def require(model: Model, verb: Literal["refer"]) -> AnswersRefer: ...
@overload
def require(model: Model, verb: Literal["find"]) -> AnswersFind: ...
@overload
def require(model: Model, verb: Literal["click"]) -> AnswersClick: ...
@overload
def require(model: Model, verb: Literal["semantic"]) -> AnswersSemantic: ...
@overload
def require(model: Model, verb: Literal["instances"]) -> AnswersInstances: ...
@overload
def require(model: Model, verb: Literal["panoptic"]) -> AnswersPanoptic: ...
def require(model: Model, verb: str) -> Any:
    """Return the model, typed as one that answers `verb`; raise InputError as `check_verb` does if it cannot."""
    check_verb(model, verb)
    # Cheap, and true of every system: `verbs` is derived from the methods that there are.
    assert isinstance(model, PROTOCOLS[verb])
    return model


def check_verb(model: Model, verb: str) -> None:
    """Raise InputError, which says what the model answers and which presets answer `verb`, if it does not."""
    if verb in model.verbs:
        return
    from saymask.hub.verbs import presets_for

    able = presets_for(verb)
    use = f"for {verb} use {', '.join(able)}" if able else f"no model of this version answers {verb}"
    raise InputError(f"{model.title} answers {', '.join(model.verbs)}, not {verb}; {use}")
