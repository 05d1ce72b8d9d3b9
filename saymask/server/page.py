"""The page at a service's address: what may be asked, from its OpenAPI document, without a script or another host."""

import html
from collections.abc import Iterator
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ERROR = html.escape('{"error": "in words", "request_id": "as in the log"}')
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1f23 }
h2 { margin: 2rem 0 .2rem; font: 600 1rem ui-monospace, monospace } h2 span { color: #0b6b3a; margin-right: .5rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .2rem .8rem .2rem 0;
vertical-align: top; border-bottom: 1px solid #8884 } code { font: .9em ui-monospace, monospace } p { margin: .3rem 0 }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e6e6e6 } h2 span { color: #6fd39c }
a { color: #8ab4ff } }
"""


def page(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    info = document["info"]
    body = "".join(_operations(document))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{_text(info['title'])} {_text(info['version'])}</h1><p>{_text(info.get('description', ''))}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a>. '
        f"Errors, from 400 on, are <code>{_ERROR}</code>.</p>{body}</body></html>"
    )


def _operations(document: dict[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><span>{_text(method.upper())}</span>{_text(path)}</h2>"
            yield f"<p>{_text(operation.get('description') or operation['summary'])}</p>"
            rows = [*_parameters(operation), *_body(document, operation)]
            if rows:
                yield "<table>" + "".join(f"<tr><td><code>{a}</code></td><td>{b}</td></tr>" for a, b in rows)
                yield "</table>"
            yield f"<p><small>answers with {', '.join(map(_text, operation['responses']))}</small></p>"


def _parameters(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in operation.get("parameters", ()):
        yield _row(parameter["name"], parameter["schema"], parameter.get("description", ""), parameter["in"])


def _body(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        if "properties" not in schema:
            yield _text(kind), "the file itself"
        for name, value in schema.get("properties", {}).items():
            yield _row(name, value, value.get("description", ""), kind)


def _row(name: str, schema: dict[str, Any], description: str, place: str) -> tuple[str, str]:
    words = [_kind(schema), description or schema.get("description", "")]
    if schema.get("default") is not None:
        words.append(f"default {schema['default']}")
    return _text(name), _text("; ".join(word for word in words if word)) + f" <small>({_text(place)})</small>"


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("const", schema.get("type", "")))


def _text(value: object) -> str:
    return html.escape(str(value))
