"""A client of `saymask serve`: the verbs of a scene that another process, or machine, holds."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

import numpy as np

from saymask.errors import InputError
from saymask.scene.clicks import Places, check_places

try:
    import httpx
    from pydantic import BaseModel

    from saymask.server.forms import AnswerForm, Format, HealthForm, MasksForm, ModelForm, ScanForm, Unit, Up
except ImportError as error:
    raise InputError(f"the client needs {error.name}; install it with: pip install 'saymask[serve]'") from None
from saymask.server.refusal import Refusal

FormT = TypeVar("FormT", bound=BaseModel)


class Client:
    """Connection to a server, for several threads; a context manager that closes it.

    What the server refuses is raised as `Refusal`, an InputError with its words and its HTTP `status`.
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", *, token: str = "", timeout: float = 600) -> None:
        """Talk to the server at `url`, with its token where it asks for one; `timeout` is in seconds."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def health(self) -> HealthForm:
        """Return the state of the server."""
        return self._get("/health", HealthForm)

    def model(self) -> ModelForm:
        """Return the model that is asked."""
        return self._get("/model", ModelForm)

    def metrics(self) -> str:
        """Return the server's numbers in Prometheus' text format."""
        return self._request("GET", "/metrics").text

    def scans(self) -> "list[RemoteScene]":
        """Return the scans that the server knows, the oldest first."""
        return [RemoteScene(self, ScanForm.model_validate(row)) for row in self._request("GET", "/scans").json()]

    def scene(self, key: str) -> "RemoteScene":
        """Return the scan under an id."""
        return RemoteScene(self, self._get(f"/scans/{key}", ScanForm))

    def load(self, path: str, *, unit: Unit | None = None, up: Up | None = None) -> "RemoteScene":
        """Load a scan by its path below the server's root."""
        response = self._request("POST", "/scans", json={"path": path, "unit": unit, "up": up})
        return RemoteScene(self, ScanForm.model_validate_json(response.content))

    def upload(
        self, path: str | Path, *, name: str = "", unit: Unit | None = None, up: Up | None = None
    ) -> "RemoteScene":
        """Send a scan, one file, under its own name or another; InputError for a file that cannot be read."""
        path = Path(path)
        options = {"name": name or path.name, "unit": unit, "up": up}
        try:
            with open(path, "rb") as file:
                response = self._request(
                    "POST", "/scans/upload", content=_parts(file),
                    params={key: value for key, value in options.items() if value is not None},
                    headers={"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)},
                )  # fmt: skip
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}; check the path") from None
        return RemoteScene(self, ScanForm.model_validate_json(response.content))

    def _get(self, address: str, form: type[FormT]) -> FormT:
        return form.model_validate_json(self._request("GET", address).content)

    def _request(self, method: str, address: str, **more: Any) -> httpx.Response:
        """Return the response; Refusal for what the server refuses, InputError where there is none."""
        with _reached(self._http.base_url):
            response = self._http.request(method, address, **more)
        if response.is_success:
            return response
        try:
            words = str(response.json()["error"])
        except (json.JSONDecodeError, KeyError, TypeError):
            words = f"expected a server of saymask, got {response.status_code} {response.reason_phrase}; check the URL"
        after = response.headers.get("Retry-After", "")
        raise Refusal(response.status_code, words, retry_after=int(after) if after.isdigit() else None)


@dataclass(frozen=True)
class RemoteScene:
    """A scan on a server, with the verbs of `saymask.Scene`.

    Answers are `MasksForm`: `bits(i)` is mask i over the points of the file, `over(scan)` the library's `Masks`.
    """

    client: Client
    info: ScanForm

    @property
    def id(self) -> str:
        """Id of the scan on the server."""
        return self.info.id

    @overload
    def refer(self, sentences: str, *, count: Literal["one", "any"] | None = None) -> MasksForm: ...
    @overload
    def refer(
        self, sentences: list[str] | tuple[str, ...], *, count: Literal["one", "any"] | None = None
    ) -> list[MasksForm]: ...
    def refer(
        self, sentences: str | Sequence[str], *, count: Literal["one", "any"] | None = None
    ) -> MasksForm | list[MasksForm]:
        """Return the masks that a sentence means (a list for a list of sentences); see `Scene.refer`."""
        asked = [sentences] if isinstance(sentences, str) else list(sentences)
        if not asked:
            return []
        results = self.answer("refer", sentences=asked, count=count).results
        return results[0] if isinstance(sentences, str) else results

    def find(self, names: str | Sequence[str], *, threshold: float | None = None) -> MasksForm:
        """Return the objects that words name; see `Scene.find`."""
        asked = [names] if isinstance(names, str) else list(names)
        return self.answer("find", names=asked, threshold=threshold).results[0]

    def click(
        self,
        points: Places,
        *,
        positive: bool | Sequence[bool] | np.ndarray | None = None,
        objects: int | Sequence[int] | np.ndarray | None = None,
    ) -> MasksForm:
        """Return one mask for each object that was clicked on at float [K, 3], metres, z up; see `Scene.click`."""
        asked = check_places(points).tolist()
        on, of = (None if given is None else np.asarray(given).tolist() for given in (positive, objects))
        return self.answer("click", points=asked, positive=on, objects=of).results[0]

    def semantic(self, classes: str | Sequence[str] | None = None) -> MasksForm:
        """Return a mask for every class that occurs; see `Scene.semantic`."""
        asked = classes if classes is None or isinstance(classes, str) else list(classes)
        return self.answer("semantic", classes=asked).results[0]

    def instances(self) -> MasksForm:
        """Return a mask for every object, best score first."""
        return self.answer("instances").results[0]

    def panoptic(self) -> MasksForm:
        """Return disjoint masks: one per object, and one for all of each class that has no objects."""
        return self.answer("panoptic").results[0]

    def answer(self, verb: str, **question: Any) -> AnswerForm:
        """Return the whole answer to a verb: results, seconds, and a caution of the model."""
        return AnswerForm.model_validate_json(self._ask(verb, question, {}).content)

    def file(self, verb: str, kind: Format, *, options: dict[str, Any] | None = None, **question: Any) -> bytes:
        """Return an answer as the content of a file: npz, ply, glb, or a picture (png).

        options: `colored` for ply and glb; `width`, `height`, `view` for a picture.
        """
        return self._ask(verb, question, {"format": kind, **(options or {})}).content

    def forget(self) -> None:
        """Let the server forget the scan; an upload is deleted there."""
        self.client._request("DELETE", f"/scans/{self.id}")

    def _ask(self, verb: str, question: dict[str, Any], options: dict[str, Any]) -> httpx.Response:
        body = {"json": question} if question else {}
        return self.client._request("POST", f"/scans/{self.id}/{verb}", params=options, **body)


def _parts(file: Any, size: int = 2**20) -> Iterator[bytes]:
    while part := file.read(size):
        yield part


@contextmanager
def _reached(url: httpx.URL) -> Iterator[None]:
    """Say in words that no server is there, or that it does not answer."""
    try:
        yield
    except httpx.TimeoutException:
        raise InputError(f"{url}: no answer in time; ask for less, or raise the client's timeout") from None
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InputError(f"{url}: no server can be reached ({error}); start it with `saymask serve`") from None
