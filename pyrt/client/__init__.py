"""The client of pyrt's API: HTTP/1.1 and WebSocket over a unix socket, nothing decoded that need not be.

Import what is needed from the modules; this package imports none of them, because the start-up time of ``pyrt`` is
felt at every keystroke:

``http``       one request on one connection, plain or streamed;
``api``        the Kubernetes REST conventions on top of it; a failure ``Status`` is raised as an exception;
``resources``  which kinds there are and where they are served;
``websocket``  a minimal RFC 6455 client;
``remotecommand``, ``portforward``  the Kubernetes channel protocols on a WebSocket.

Small records are named tuples here and in the command modules of ``pyrt.cli`` that are used most: making a dataclass
costs 1 ms at import, a named tuple a quarter of that.

HTTP and WebSocket are written here by hand, in some 300 lines, because of what the libraries cost at import:
``http.client`` 60 ms and ``wsproto`` 45 ms, against 40 ms for all of click.
"""
