"""A session: questions, clicks, undo, history, what is shown together."""

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.viewer.session import Session, likeliest, relevance
from tests.viewer.fakes import FakeScene


def test_a_sentence_is_answered_and_shown_alone(session, room):
    session.say("the bed")
    answer = session.say("the desk and the stool")
    assert [a.title for a in session.shown] == ["the desk and the stool"]
    assert len(answer.masks) == 2
    assert not answer.unsure
    np.testing.assert_array_equal(session.combined().union(), np.isin(room[1], (1, 2)))


def test_where_nothing_fits_the_likeliest_is_marked_as_unsure(session, room):
    answer = session.say("the wardrobes of my aunt")  # no thing of that name, in the fake's spelling
    assert len(session.say("a large unicorn").masks) == 1
    assert session.latest is not None
    assert session.latest.unsure
    assert session.latest.masks.message.startswith("no object fits: a large unicorn")
    assert not answer.unsure
    assert session.scene.asked[-1] == "unicorn"  # the noun that the sentence is about


def test_a_model_without_words_has_no_candidate(room):
    class Sentences(FakeScene):
        def find(self, names, *, threshold=None):
            raise InputError("answers refer, not find")

    assert len(likeliest(Sentences(*room), "a unicorn")) == 0


def test_shown_answers_combine(session, room):
    first = session.say("the bed")
    session.say("the desk")
    session.toggle(first.key)
    combined = session.combined()
    assert combined.names == ("the bed", "the desk")
    np.testing.assert_array_equal(combined.union(), np.isin(room[1], (1, 4)))
    session.toggle(first.key)
    assert session.combined().names == ("the desk",)


def test_nothing_is_combined_before_anything_is_asked(session):
    with pytest.raises(InputError, match="nothing is marked"):
        session.combined()


def test_clicks_build_objects_and_negative_ones_take_away(session, room):
    points, owner = room[0].points, room[1]
    desk, bed = points[owner == 1].mean(0), points[owner == 4][0]
    session.click(points[owner == 1][0])
    session.click(bed)
    np.testing.assert_array_equal(session.combined().union(), np.isin(owner, (1, 4)))
    answer = session.click(bed, positive=False)
    np.testing.assert_array_equal(answer.masks.points(0), owner == 1)
    assert session.next_object() == 1
    answer = session.click(points[owner == 2][0])
    assert answer.title == "2 clicked objects"
    np.testing.assert_array_equal(answer.masks.points(1), owner == 2)
    assert len(session.state.answers) == 1
    assert len(desk) == 3


def test_undo_goes_back_step_by_step(session, room):
    points, owner = room[0].points, room[1]
    session.say("the bed")
    session.click(points[owner == 1][0])
    session.click(points[owner == 2][0])
    session.measure((0, 0, 0))
    assert session.measure((0, 3, 4)) == pytest.approx(5)
    for _ in range(3):
        assert session.undo()
    assert [a.kind for a in session.state.answers] == ["refer", "click"]
    np.testing.assert_array_equal(session.combined().union(), owner == 1)
    assert session.undo()
    assert [a.title for a in session.shown] == ["the bed"]
    assert session.undo()
    assert not session.undo()


def test_a_negative_click_comes_after_a_positive_one(session, room):
    with pytest.raises(InputError, match="click on it first"):
        session.click(room[0].points[0], positive=False)
    assert session.state.clicks == ()


def test_clicks_after_a_sentence_begin_anew(session, room):
    points, owner = room[0].points, room[1]
    session.click(points[owner == 1][0])
    session.say("the bed")
    answer = session.click(points[owner == 2][0])
    assert len(answer.masks) == 1
    assert len(session.state.clicks) == 1


def test_words_are_asked_again_in_place(session):
    first = session.find("desk , bed", 0.5)
    assert (first.title, len(first.masks)) == ("desk, bed", 2)
    again = session.find("desk, bed", 0.1, heat=True)
    assert again.key == first.key
    assert len(session.state.answers) == 1
    assert len(again.masks) > 2
    assert again.heat.max() == pytest.approx(0.95)


def test_relevance_is_the_best_score_at_each_point(room):
    heat = relevance(FakeScene(*room).find(["desk"], threshold=0.0))
    np.testing.assert_allclose(heat[room[1] == 1], 0.95)
    np.testing.assert_allclose(heat[room[1] == 0], 0)


def test_clear_can_be_taken_back(session):
    session.say("the bed")
    session.clear()
    assert session.latest is None
    session.undo()
    assert session.latest.title == "the bed"


def test_a_scan_that_is_not_encoded_yet_cannot_be_asked(room):
    with pytest.raises(InputError, match="still being encoded"):
        Session(room[0]).say("the bed")
