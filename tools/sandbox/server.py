"""The sandbox's server: the vendor's endpoint, and the page with its control API."""

from starlette.types import Receive, Scope, Send

from sandbox.account import Account
from sandbox.control import PREFIX, Control, Extension
from sandbox.endpoint import PUSH_PATH, PushEndpoint
from sandbox.faults import Faults
from sandbox.loopback import LoopbackServer
from sandbox.record import Record


class SandboxServer(LoopbackServer):
    """The sandbox on 127.0.0.1. Use it in a `with`, which starts and stops it.

    The constructor binds the port, so `address` is valid before the start. `port=0` means any free port.

    address       the base URL, and the URL of the page
    push_address  the URL of the endpoint

    Raises OSError if the port is in use.
    """

    def __init__(
        self,
        account: Account,
        *,
        port: int = 0,
        root: str = "Push",
        record: Record | None = None,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(self, port=port, name="sandbox")
        self.account = account
        self.record = record or Record()
        self.faults = faults or Faults()
        self._control = Control(self.account, self.record, self.faults).app()
        self._endpoint = PushEndpoint(self.account, self.record, self.faults, root)
        self.push_address = f"{self.address}{PUSH_PATH}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request to the control API or to the vendor's endpoint (ASGI)."""
        is_page = scope["path"] == "/" and scope["method"] in {"GET", "HEAD"}
        app = self._control if is_page or scope["path"].startswith(PREFIX) else self._endpoint
        await app(scope, receive, send)

    def extend(self, extension: Extension) -> None:
        """Add the panels of another program to the page, also while the server runs."""
        self._control = Control(self.account, self.record, self.faults, extension).app()

    def run(self) -> None:
        """Serve on this thread until the server is stopped.

        On the main thread, Ctrl-C and SIGTERM stop it.
        """
        try:
            super().run()
        finally:
            self.record.close()
