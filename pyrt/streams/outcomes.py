"""The last word of a stream, as a ``Status`` (``metav1.Status``)."""

from __future__ import annotations

from typing import Final

from pyrt.kube.response import Status, StatusCause, StatusDetails

EXIT_CODE: Final = "NonZeroExitCode"


def success(_code: int = 0) -> Status:
    """All went well."""
    return Status(status="Success")


def exit_status(code: int) -> Status:
    """How the command ended; clients take the code from the cause."""
    if code == 0:
        return success()
    text = f"command terminated with non-zero exit code: exit status {code}"
    return _with_code(code, text)


def failed(text: str, *, code: int | None = None) -> Status:
    """There is no session; ``code`` is the exit code that a shell would give for the reason."""
    if code is not None:
        return _with_code(code, text)
    return Status(status="Failure", message=f"Internal error occurred: {text}", reason="InternalError", code=500)


def _with_code(code: int, text: str) -> Status:
    cause = StatusCause(reason="ExitCode", message=str(code))
    return Status(status="Failure", message=text, reason=EXIT_CODE, details=StatusDetails(causes=[cause]), code=500)
