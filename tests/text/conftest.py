import pytest

from tests.text.tiny import tiny_bert, tiny_clip, tiny_roberta


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of tiny encoders by kind."""
    root = tmp_path_factory.mktemp("encoders")
    return {
        "roberta": tiny_roberta(root / "roberta"),
        "bert": tiny_bert(root / "bert"),
        "clip": tiny_clip(root / "clip"),
        "clip whole": tiny_clip(root / "whole", whole=True),
    }
