"""The types that parameters may have beyond Python's own."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from jobs_app.parameters import ARTIFACTS, MASK, MENTIONED, Artifact, Secret, reveal

ARTIFACT: TypeAdapter[Artifact] = TypeAdapter(Artifact)


class Login(BaseModel):
    name: str
    key: Secret


def test_an_artifact_is_validated_from_its_id() -> None:
    key = uuid4()
    for form in (key, str(key), key.hex, f"{{{key}}}"):
        assert ARTIFACT.validate_python(form) == Artifact(key)


@pytest.mark.parametrize("value", ["", "photo.png", 7, None, [], {"id": 1}, "0" * 1_000_000])
def test_what_is_no_id_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match=r"expected the id of an uploaded file \(a UUID\)"):
        ARTIFACT.validate_python(value)


def test_only_known_artifacts_pass_when_the_known_ones_are_given() -> None:
    known, unknown = Artifact(uuid4(), "a.csv", 3), uuid4()
    context = {ARTIFACTS: {known.id: known}}
    assert ARTIFACT.validate_python(str(known.id), context=context) is known
    with pytest.raises(ValidationError, match="there is no uploaded file with this id, or it is not yours"):
        ARTIFACT.validate_python(str(unknown), context=context)


def test_mentioned_ids_are_collected() -> None:
    mentioned: set[object] = set()
    keys = [uuid4(), uuid4()]
    TypeAdapter(list[Artifact]).validate_python([str(key) for key in keys], context={MENTIONED: mentioned})
    assert mentioned == set(keys)


def test_an_artifact_is_written_as_its_id() -> None:
    artifact = Artifact(uuid4(), "a.csv")
    assert ARTIFACT.dump_python(artifact) == ARTIFACT.dump_python(artifact, mode="json") == str(artifact.id)


def test_a_local_file_can_stand_for_an_artifact(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n")
    artifact = Artifact.local(path)
    assert (artifact.name, artifact.size) == ("data.csv", 4)
    with artifact.open() as content:
        assert content.read() == b"a,b\n"


def test_a_secret_shows_itself_nowhere() -> None:
    login = Login(name="alice", key=Secret("hunter2hunter2"))
    for text in (str(login), repr(login), login.model_dump_json(), str(login.model_dump(mode="json"))):
        assert "hunter2" not in text
        assert MASK in text
    assert login.key.get_secret_value() == "hunter2hunter2"


def test_reveal_takes_the_cover_off_for_sealing() -> None:
    artifact = Artifact(uuid4())
    login = Login(name="alice", key=Secret("opened"))
    tree = {"login": login, "list": [login.key, 1, None], "tuple": (login.key,), "file": artifact}
    assert reveal(tree) == {
        "login": {"name": "alice", "key": "opened"},
        "list": ["opened", 1, None],
        "tuple": ["opened"],
        "file": str(artifact.id),
    }
    assert reveal(login) == {"name": "alice", "key": "opened"}
