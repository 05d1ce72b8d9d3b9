"""The addresses of a service: scans, the verbs about them, its state, and what may be asked at all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp

from saymask import __version__
from saymask.errors import InputError
from saymask.io.uploads import check_size
from saymask.masks import Masks
from saymask.render.labels import Click
from saymask.scene.scene import Scene
from saymask.scene.verbs import check_verb
from saymask.server import metrics
from saymask.server.forms import (
    AnswerForm,
    ClickForm,
    ErrorForm,
    FindForm,
    HealthForm,
    ModelForm,
    OutputForm,
    PathForm,
    ReferForm,
    ScanForm,
    SemanticForm,
    UploadForm,
    schema_of,
)
from saymask.server.front import Access, Front, error_response
from saymask.server.limits import MEGABYTE
from saymask.server.metrics import Metrics
from saymask.server.page import POLICY, page
from saymask.server.refusal import Refusal
from saymask.server.replies import MEDIA, check_output, reply
from saymask.server.service import Service
from saymask.server.store import Stored, upload_name
from saymask.server.work import Work

UPLOAD = "/scans/upload"
ABOUT = "Language-grounded segmentation of 3D scans: load a scan, ask about it, get masks over the points of its file."

ScanId = Annotated[str, InPath(alias="id", max_length=64, description="id of a scan")]
Output = Annotated[OutputForm, Query()]


def create_app(service: Service, access: Access) -> ASGIApp:
    """Return the application of a service; what it works on ends with its lifespan."""
    work = Work(service.limits)
    counts = Metrics(service, work)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        work.close()

    app = FastAPI(
        title="saymask", version=__version__, description=ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(HTTPBearer(auto_error=False))] if access.token else [],  # said; the front asks for it
    )  # fmt: skip
    _add_errors(app)
    _add_state(app, service, work, counts)
    _add_scans(app, service, work)
    _add_verbs(app, service, work, counts)
    most = service.limits.upload_mb * MEGABYTE
    front = Front(app, access, counts, most_upload=most, upload=UPLOAD)
    if not access.origins:
        return front
    return CORSMiddleware(
        front, allow_origins=list(access.origins), allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "X-Request-ID"], expose_headers=["X-Request-ID", "Retry-After"],
    )  # fmt: skip


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how errors look in the OpenAPI document: those named here, and those of every request."""
    return {status: {"model": ErrorForm} for status in sorted({*statuses, 400, 401, 403, 408, 413, 421, 422})}


def _add_errors(app: FastAPI) -> None:
    """Give errors one form, and the words of InputError where there are some."""

    def answer(request: Request, status: int, message: str, retry_after: int | None = None) -> JSONResponse:
        return error_response(status, message, request.state.request_id, retry_after=retry_after)

    @app.exception_handler(InputError)
    async def of_input(request: Request, error: InputError) -> JSONResponse:
        words = " ".join(str(error).split())
        if isinstance(error, Refusal):
            return answer(request, error.status, words, error.retry_after)
        return answer(request, 422, words)

    @app.exception_handler(Exception)
    async def of_bug(request: Request, error: Exception) -> JSONResponse:
        return answer(request, 500, "the server failed, which is a bug; its log says more under this id")

    @app.exception_handler(RequestValidationError)
    async def of_form(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(request, 422, "; ".join(_in_words(problem) for problem in error.errors()[:5]))

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        response = answer(request, error.status_code, error.detail)
        response.headers.update(error.headers or {})
        return response


def _in_words(problem: dict[str, Any]) -> str:
    """Return a problem with a form as InputError would say it."""
    place = ".".join(str(part) for part in problem["loc"][1:]) or "request"
    if problem["type"] == "json_invalid":
        return f"request: expected JSON, got a text that is none ({problem['ctx']['error']})"
    got = "" if problem["type"] == "missing" else f", got {problem['input']!r:.80}"
    return f"{place}: {problem['msg'][:1].lower()}{problem['msg'][1:]}{got}"


def _add_state(app: FastAPI, service: Service, work: Work, counts: Metrics) -> None:
    """Add what is known of the server itself."""

    @app.get("/", include_in_schema=False)
    async def start() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers={"Content-Security-Policy": POLICY})

    @app.get("/health", responses=_errors())
    async def health() -> HealthForm:
        """Say that the server answers."""
        return HealthForm(status="ok", scans=len(service.store.all()), encoded=len(service.scenes), taken=work.taken)

    text = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}

    @app.get("/metrics", response_class=Response, responses={**_errors(), 200: text})
    async def metrics_text() -> Response:
        """Return counters, times and memory in Prometheus' text format."""
        return Response(counts.text(), media_type=metrics.MEDIA)

    @app.get("/model", responses=_errors())
    async def model() -> ModelForm:
        """Return the model that is asked, and the verbs that it answers."""
        return ModelForm(**service.card())


def _add_scans(app: FastAPI, service: Service, work: Work) -> None:
    """Add loading, listing and forgetting scans."""

    def form(stored: Stored) -> ScanForm:
        facts = vars(stored.facts)
        known = {name: getattr(stored, name) for name in ("id", "name", "bytes", "unit", "up", "created")}
        return ScanForm(**known, path=stored.path or None, encoded=service.is_encoded(stored), **facts)

    @app.get("/scans", responses=_errors())
    async def list_scans() -> list[ScanForm]:
        """List the scans that the server knows, the oldest first."""
        return [form(stored) for stored in service.store.all()]

    known_already = {200: {"model": ScanForm, "description": "It is known already"}}

    @app.post("/scans", status_code=201, responses={**_errors(404, 409, 429, 504), **known_already})
    async def load_scan(asked: PathForm, response: Response) -> ScanForm:
        """Load a scan by its path below the server's root."""
        stored, new = await work.run(lambda: service.add_path(asked.path, asked.unit, asked.up))
        response.status_code = 201 if new else 200
        return form(stored)

    body = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    @app.post(
        UPLOAD, status_code=201, responses={**_errors(409, 429, 504), **known_already},
        openapi_extra={"requestBody": {**body, "required": True}},
    )  # fmt: skip
    async def upload_scan(request: Request, response: Response, asked: Annotated[UploadForm, Query()]) -> ScanForm:
        """Load a scan that is sent: the file itself is the body of the request."""
        name = upload_name(asked.name)
        service.store.check_room()
        incoming = service.store.incoming()
        try:
            async with work.place():
                size = await _receive(request, incoming / name, service.limits.seconds)
                check_size(asked.name, size)
                stored, new = await work.run(
                    lambda: service.add_upload(incoming, asked.name, asked.unit, asked.up), held=True
                )
        except BaseException:
            service.store.drop(incoming)
            raise
        response.status_code = 201 if new else 200
        return form(stored)

    @app.get("/scans/{id}", responses=_errors(404))
    async def get_scan(scan: ScanId) -> ScanForm:
        """Return what is known of a scan."""
        return form(service.store.get(scan))

    @app.delete("/scans/{id}", status_code=204, responses=_errors(404))
    async def forget_scan(scan: ScanId) -> None:
        """Forget a scan: an upload is deleted, a file below the root stays."""
        service.forget(scan)


async def _receive(request: Request, path: Path, seconds: float) -> int:
    """Write the body of a request to a file; return its size."""
    try:
        async with asyncio.timeout(seconds):
            with open(path, "wb") as file:
                async for part in request.stream():
                    file.write(part)
                return file.tell()
    except TimeoutError:
        raise Refusal(408, f"the file did not arrive within {seconds:g} s; send it again") from None


def _add_verbs(app: FastAPI, service: Service, work: Work, counts: Metrics) -> None:
    """Add the verbs about a scan."""
    files = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in sorted({*MEDIA.values()})}
    content = {**files, MEDIA["json"]: {"schema": schema_of(AnswerForm)}}
    answers = {200: {"model": AnswerForm, "content": content, "description": "The answer"}}

    async def ask(
        request: Request, scan: str, verb: str, count: int, output: OutputForm,
        question: Callable[[Scene], list[Masks]], clicks: list[Click] | None = None,
    ) -> Response:  # fmt: skip
        fields = request.state.fields
        fields.update(verb=verb, scan=scan, prompts=count, format=output.format)
        check_verb(service.model, verb)
        service.store.get(scan)
        check_output(output, count if verb == "refer" else 1)
        asked = perf_counter()

        def answer(scene: Scene) -> Response:
            start = perf_counter()
            masks = question(scene)
            seconds = perf_counter() - start
            facts = {"model": service.model.title, "caution": scene.caution, "seconds": round(seconds, 6)}
            made = reply(masks, output, facts, clicks or ())
            fields["answer_seconds"] = round(seconds, 4)
            return Response(made.content, media_type=made.media, headers=made.headers)

        def job() -> Response:
            fields["waited_seconds"] = round(perf_counter() - asked, 4)
            return service.ask(scan, answer)

        response = await work.run(job)
        counts.prompts(verb, count)
        return response

    def verb(name: str, function: Callable[..., Any]) -> None:
        responses = {**_errors(404, 409, 429, 504), **answers}
        app.post(f"/scans/{{id}}/{name}", response_class=Response, responses=responses, name=name)(function)

    async def refer(request: Request, scan: ScanId, asked: ReferForm, output: Output) -> Response:
        """Return the masks that each sentence means."""
        return await ask(
            request, scan, "refer", len(asked.sentences), output,
            lambda scene: scene.refer(asked.sentences, count=asked.count),
        )  # fmt: skip

    async def find(request: Request, scan: ScanId, asked: FindForm, output: Output) -> Response:
        """Return the objects that words name, any words."""
        return await ask(
            request, scan, "find", len(asked.names), output,
            lambda scene: [scene.find(asked.names, threshold=asked.threshold)],
        )  # fmt: skip

    async def click(request: Request, scan: ScanId, asked: ClickForm, output: Output) -> Response:
        """Return one mask for each object that was clicked on."""
        on = True if asked.positive is None else asked.positive
        marks = zip(asked.points, on if isinstance(on, list) else [on] * len(asked.points))
        return await ask(
            request, scan, "click", len(asked.points), output,
            lambda scene: [scene.click(asked.points, positive=asked.positive, objects=asked.objects)],
            list(marks),
        )  # fmt: skip

    async def semantic(request: Request, scan: ScanId, output: Output, asked: SemanticForm | None = None) -> Response:
        """Return a mask for every class that occurs."""
        classes = None if asked is None else asked.classes
        return await ask(request, scan, "semantic", 1, output, lambda scene: [scene.semantic(classes)])

    async def instances(request: Request, scan: ScanId, output: Output) -> Response:
        """Return a mask for every object, best score first."""
        return await ask(request, scan, "instances", 1, output, lambda scene: [scene.instances()])

    async def panoptic(request: Request, scan: ScanId, output: Output) -> Response:
        """Return disjoint masks: one per object, and one for all of each class that has no objects."""
        return await ask(request, scan, "panoptic", 1, output, lambda scene: [scene.panoptic()])

    for function in (refer, find, click, semantic, instances, panoptic):
        verb(function.__name__, function)
