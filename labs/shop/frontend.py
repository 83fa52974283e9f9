"""The frontend: the shop as web pages.  It keeps nothing but what is in the customer's cookie, and asks the backend.

No page needs JavaScript.  Every form carries a token that belongs to the customer's session ("Cross-Site Request
Forgery Prevention Cheat Sheet", OWASP: HMAC-based token pattern), and a request that a browser marks as coming from
another site is refused.  Jinja escapes everything.  Checking out twice buys once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import socket
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

import httpx
import jinja2
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from labs.shop import logs
from labs.shop.config import Settings
from labs.shop.errors import Conflict, NotFound, Unavailable
from labs.shop.life import Program
from labs.shop.sessions import COOKIE, Session, Sessions, signing_keys
from labs.shop.telemetry import inject

log = logging.getLogger("shop.frontend")

PAGES = files("labs.shop") / "pages"
LARGEST = 5_000  # bytes of a form
TRIES = 3  # of a request that changes nothing
SKU = re.compile(r"[A-Za-z0-9-]{1,20}")
SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve the pages on a socket until a signal comes."""
    program = Program(settings)
    program.serve(create_app(program), listening)


def create_app(program: Program, transport: httpx.AsyncBaseTransport | None = None) -> Starlette:
    """The ASGI application.

    :param transport: how the backend is reached; over the network by default
    """
    backend = Backend(program, transport)
    pages = _Pages(program, backend)
    routes = [
        Route("/", pages.products),
        Route("/products/{sku}", pages.product),
        Route("/products/{sku}/image", pages.image),
        Route("/basket", pages.basket),
        Route("/basket", pages.put, methods=["POST"]),
        Route("/checkout", pages.check_out, methods=["POST"]),
        Route("/orders/{order}", pages.order),
        Route("/shop.css", pages.style),
        Route("/icon.svg", pages.icon),
    ]
    handlers: dict[Any, Any] = {
        NotFound: pages.not_found,
        HTTPException: pages.http_error,
        Unavailable: pages.unavailable,
    }
    return program.application(routes, {}, handlers, backend.close, pages.prepare)


class Backend:
    """Calls of the backend, each within one deadline; what changes nothing is tried again meanwhile."""

    def __init__(self, program: Program, transport: httpx.AsyncBaseTransport | None) -> None:
        self._program, self._seconds = program, program.settings.backend_seconds
        url = program.settings.backend_url
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30)
        self._client = httpx.AsyncClient(
            base_url=url, transport=transport, timeout=self._seconds, limits=limits, trust_env=False,
            **({} if url.startswith("https:") else {"verify": False}),
        )  # fmt: skip

    async def ask(self, method: str, path: str, safe: bool = False, **more: Any) -> httpx.Response:
        """The backend's answer.

        :param safe: whether doing it twice does no harm; true for GET and PUT
        :raises NotFound: there is no such thing
        :raises Conflict: the backend refuses it, with its reason
        :raises Unavailable: it failed, or did not answer in time
        """
        deadline, safe = time.monotonic() + self._seconds, safe or method in ("GET", "PUT")
        for attempt in range(TRIES):
            left = deadline - time.monotonic()
            answer = await self._once(method, path, left, **more)
            if isinstance(answer, httpx.Response) and answer.status_code < 500:
                return _judged(answer)
            why = answer if isinstance(answer, str) else f"status {answer.status_code}"
            pause = random.uniform(0, 0.05 * 2**attempt)
            if not safe or attempt == TRIES - 1 or time.monotonic() + pause >= deadline:
                raise Unavailable(f"backend {method}: {why}")
            log.warning("backend call failed", extra={"reason": why, "attempt": attempt + 1})
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _once(self, method: str, path: str, seconds: float, **more: Any) -> httpx.Response | str:
        """One call; where there was no answer, why."""
        began, result = time.perf_counter(), "error"
        headers = {"X-Request-Id": logs.request_id.get()}
        with self._program.traces.span(method, SpanKind.CLIENT, peer_service="backend"):
            inject(headers)
            try:
                self._program.faults.reach("backend")
                async with asyncio.timeout(seconds):  # httpx's own timeouts are for each read, not for the whole
                    answer = await self._client.request(method, path, headers=headers, **more)
                result = "ok" if answer.status_code < 500 else "error"
                return answer
            except (httpx.HTTPError, Unavailable, TimeoutError) as error:
                return type(error).__name__
            finally:
                self._program.metrics.calls.labels("backend", result).inc()
                self._program.metrics.call_seconds.labels("backend").observe(time.perf_counter() - began)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _judged(answer: httpx.Response) -> httpx.Response:
    if answer.status_code == 404:
        raise NotFound("there is no such thing")
    if answer.status_code == 409:
        said = answer.json()
        raise Conflict(str(said["error"]), str(said["reason"]))
    if answer.is_error:
        raise Unavailable(f"the backend does not understand the frontend: status {answer.status_code}")
    return answer


class _Pages:
    """The pages."""

    def __init__(self, program: Program, backend: Backend) -> None:
        self._program, self._backend, self._settings = program, backend, program.settings
        self._sessions = Sessions(signing_keys(program.settings), program.settings.secret_seconds)
        self._templates = jinja2.Environment(
            loader=jinja2.DictLoader(_texts(".html")), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._templates.filters["price"] = lambda cents: f"{cents // 100}.{cents % 100:02d} €"
        self._style, self._icon = (PAGES / "shop.css").read_bytes(), (PAGES / "icon.svg").read_bytes()

    async def prepare(self) -> None:
        """Compile the pages, so that the first customer does not wait for it."""
        for name in self._templates.list_templates(extensions=["html"]):
            self._templates.get_template(name)

    async def products(self, request: Request) -> Response:
        found = (await self._backend.ask("GET", "/api/products")).json()["products"]
        return await self._page(request, "products.html", products=found)

    async def product(self, request: Request) -> Response:
        found = (await self._backend.ask("GET", f"/api/products/{_sku(request.path_params['sku'])}")).json()
        return await self._page(request, "product.html", product=found)

    async def image(self, request: Request) -> Response:
        """The picture, or a plain one where there is none: a missing picture must not look like a broken shop."""
        try:
            found = await self._backend.ask("GET", f"/api/products/{_sku(request.path_params['sku'])}/image")
            content, kept = found.content, "public, max-age=3600"
        except (NotFound, Unavailable):
            content, kept = (PAGES / "no-picture.svg").read_bytes(), "public, max-age=10"
        headers = {**SECURITY, "cache-control": kept, "content-security-policy": "default-src 'none'"}
        return Response(content, media_type="image/svg+xml", headers=headers)

    async def style(self, request: Request) -> Response:
        return Response(self._style, media_type="text/css", headers={**SECURITY, "cache-control": "max-age=3600"})

    async def icon(self, request: Request) -> Response:
        headers = {**SECURITY, "cache-control": "max-age=3600"}
        return Response(self._icon, media_type="image/svg+xml", headers=headers)

    async def basket(self, request: Request) -> Response:
        session = await self._session(request)
        return await self._page(request, "basket.html", session, cart=await self._cart(session))

    async def put(self, request: Request) -> Response:
        """Put into the basket, change how many, or take out (0)."""
        session, form = await self._form(request)
        sku, quantity = _sku(form.get("sku", "")), form.get("quantity", "")
        if not quantity.isascii() or not quantity.isdigit() or int(quantity) > 100:
            return await self._problem(request, 400, "How many? Please choose 0 to 100.")
        if not session.cart:
            session = session.with_cart((await self._backend.ask("POST", "/api/carts", safe=True)).json()["id"])
        asked = {"json": {"quantity": int(quantity)}}
        try:
            await self._backend.ask("PUT", f"/api/carts/{session.cart}/items/{sku}", **asked)
        except (Conflict, NotFound):  # ordered in another tab, or long gone: begin a new basket
            session = session.with_cart((await self._backend.ask("POST", "/api/carts", safe=True)).json()["id"])
            await self._backend.ask("PUT", f"/api/carts/{session.cart}/items/{sku}", **asked)
        return await self._keep(RedirectResponse("/basket", 303), session)

    async def check_out(self, request: Request) -> Response:
        session, form = await self._form(request)
        cart = form.get("cart", "")
        if not cart or cart != session.cart:
            return await self._problem(request, 409, "Your basket has changed. Please look at it again.")
        try:
            order = (await self._backend.ask("POST", f"/api/carts/{cart}/order", safe=True)).json()
        except Conflict as error:
            said = "Your basket is empty." if error.reason == "empty" else "Sorry, there is not enough left of it."
            return await self._page(request, "basket.html", session, 409, cart=await self._cart(session), problem=said)
        return RedirectResponse(f"/orders/{order['id']}", 303)

    async def order(self, request: Request) -> Response:
        identifier = request.path_params["order"]
        if not re.fullmatch(r"[0-9a-f-]{36}", identifier):
            raise NotFound("there is no such order")
        order = (await self._backend.ask("GET", f"/api/orders/{identifier}")).json()
        session = await self._session(request)
        if session.cart == order["cart"]:
            session = session.with_cart("")  # bought: the next thing goes into a new basket
        return await self._page(request, "order.html", session, order=order)

    async def not_found(self, request: Request, error: Exception) -> Response:
        return await self._problem(request, 404, "There is no such page.")

    async def http_error(self, request: Request, error: HTTPException) -> Response:
        return await self._problem(request, error.status_code, error.detail)

    async def unavailable(self, request: Request, error: Exception) -> Response:
        log.error("dependency unavailable", extra={"reason": str(error)})
        return await self._problem(request, 503, "The shop cannot answer just now. Please try again in a moment.")

    async def _cart(self, session: Session) -> dict[str, Any]:
        if session.cart:
            try:
                return dict((await self._backend.ask("GET", f"/api/carts/{session.cart}")).json())
            except NotFound:
                pass
        return {"id": "", "items": [], "cents": 0}

    async def _session(self, request: Request) -> Session:
        return await self._sessions.read(request.cookies.get(COOKIE, ""))

    async def _form(self, request: Request) -> tuple[Session, dict[str, str]]:
        """The session and the form of a POST.

        :raises HTTPException: 403 when it did not come from one of our pages, 413 when it is too large
        """
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "This form came from another site.")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                raise HTTPException(413, "That was too much.")
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
        form = {name: values[0] for name, values in fields.items()}
        session = await self._session(request)
        if not await self._sessions.proves(session, form.get("token", "")):
            raise HTTPException(403, "This form is too old. Please go back, load the page again, and try once more.")
        return session, form

    async def _page(
        self, request: Request, name: str, session: Session | None = None, status: int = 200, **values: Any
    ) -> Response:
        session = session or await self._session(request)
        token = await self._sessions.token(session)
        shown = {"token": token, "basket": bool(session.cart), "problem": "", "version": self._settings.version}
        text = self._templates.get_template(name).render({**shown, **values})
        return await self._keep(HTMLResponse(text, status, headers={**SECURITY, "cache-control": "no-store"}), session)

    async def _problem(self, request: Request, status: int, text: str) -> Response:
        """A page that says what is wrong; it needs neither backend nor session."""
        shown: Mapping[str, Any] = {"text": text, "request_id": logs.request_id.get(), "problem": "", "basket": False}
        page = self._templates.get_template("problem.html").render({**shown, "version": self._settings.version})
        return HTMLResponse(page, status, headers={**SECURITY, "cache-control": "no-store"})

    async def _keep(self, response: Response, session: Session) -> Response:
        value, secure = await self._sessions.write(session), self._settings.secure_cookies
        response.set_cookie(COOKIE, value, max_age=86_400 * 7, httponly=True, samesite="lax", secure=secure)
        return response


def _texts(ending: str) -> dict[str, str]:
    """The pages' files by name; as resources, so that the package may be a zip file."""
    return {file.name: file.read_text(encoding="utf-8") for file in PAGES.iterdir() if file.name.endswith(ending)}


def _sku(text: str) -> str:
    if not SKU.fullmatch(text):
        raise NotFound("there is no such product")
    return text
