"""The panel's HTML: what it says, and that nothing of a file or a visitor is taken for markup."""

from dataclasses import replace

from saymask.viewer import fragments
from saymask.viewer.session import Session
from tests.viewer.fakes import small_room

EVIL = '"><img src=x onerror=alert(1)>'


def test_an_answer_says_score_size_and_points(session, room):
    session.say("the bed")
    text = fragments.answer(session, 1.26)
    assert "1 object · 1.3 s" in text
    assert "1.61 × 0.81 × 0.51 m" in text or "1.60 × 0.80 × 0.50 m" in text or "m · " in text
    assert f"{int((room[1] == 4).sum()):,} points" in text
    assert "0.90" in text
    assert 'data-do="fly"' in text


def test_clicked_objects_are_numbered_as_their_marks(session):
    session.click((1.05, 0.6, 0.75))
    session.next_object()
    session.click((3.0, 2.4, 0.5))
    text = fragments.answer(session, None)
    assert "2 clicked objects" in text
    assert "<b>object 1</b>" in text
    assert "<b>object 2</b>" in text
    assert "object 0" not in text


def test_an_unsure_answer_says_so(session):
    session.say("a unicorn")
    text = fragments.answer(session, None)
    assert "No object fits." in text
    assert "may be wrong" in text
    assert "sm-unsure" in text


def test_nothing_is_taken_for_markup(session, room):
    session.say(f"the bed {EVIL}")
    session.find(f"{EVIL.replace(',', '')}, desk", 0.0)
    scan = replace(room[0], name=EVIL)
    for text in (
        fragments.answer(session, None),
        fragments.history(session),
        fragments.head(scan, EVIL, 0.5, False),
        fragments.note(EVIL),
        fragments.ask("say", [EVIL]),
        fragments.files(
            session, [fragments.Choice(EVIL, EVIL, EVIL)], [fragments.Choice(EVIL, EVIL, EVIL)], EVIL, True
        ),
    ):
        assert "<img" not in text


def test_the_legend_counts_and_isolates(session):
    session.layer = "semantic"
    text = fragments.layers(session, session.scene.semantic(), True, False, False)
    assert text.count('data-do="isolate"') == 5
    assert text.index("wall") < text.index("stool")  # the largest first
    session.isolate(4)
    assert 'data-value="4" aria-pressed="true"' in fragments.layers(
        session, session.scene.semantic(), True, False, False
    )


def test_objects_are_listed(session):
    session.layer = "instances"
    text = fragments.layers(session, session.scene.instances(), True, False, False)
    assert text.count("data-hover=") == 4


def test_a_mesh_is_saved_only_where_there_are_faces(session):
    assert 'data-value="glb"' not in fragments.files(session, [], [], "", True)
    meshes = Session(small_room(faces=True)[0])
    assert 'data-value="glb"' in fragments.files(meshes, [], [], "", True)
    assert "path of a scan" not in fragments.files(meshes, [], [], "", False)
